"""A real pseudo-terminal with `souschef chat` in it, and its screen as a person sees it.

pexpect runs the process; pyte keeps the screen and answers what the process asks the terminal.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pexpect  # type: ignore[import-untyped]
import pyte

CHAT = ("-m", "agent", "chat")


class _Screen(pyte.Screen):
    def __init__(self, columns: int, lines: int, answer: Callable[[str], None]) -> None:
        super().__init__(columns, lines)
        self._answer = answer

    def write_process_input(self, data: str) -> None:
        self._answer(data)


class Terminal:
    """A terminal of `columns` by `rows` that runs Python with these arguments."""

    def __init__(
        self,
        folder: Path,
        arguments: Sequence[str] = CHAT,
        *,
        columns: int = 100,
        rows: int = 40,
        **environment: str,
    ) -> None:
        unset = ("NO_COLOR", "COLUMNS", "LINES")
        known = {key: value for key, value in os.environ.items() if key not in unset}
        environment = {**known, "SOUSCHEF_DATA": str(folder), "TERM": "xterm-256color", **environment}
        self.started = time.monotonic()
        self.process = pexpect.spawn(
            sys.executable, list(arguments), dimensions=(rows, columns), env=environment, timeout=5
        )
        self.process.delaybeforesend = None
        self._screen = _Screen(columns, rows, lambda data: self.process.send(data))
        self._stream = pyte.ByteStream(self._screen)

    def type(self, text: str) -> None:
        """Press keys."""
        self.process.send(text)

    def paste(self, text: str) -> None:
        """Paste a text as terminals do: in brackets, with carriage returns."""
        self.process.send("\x1b[200~" + text.replace("\n", "\r") + "\x1b[201~")

    def resize(self, columns: int, rows: int) -> None:
        """Change the size."""
        self._screen.resize(rows, columns)
        self.process.setwinsize(rows, columns)

    def read(self, seconds: float) -> None:
        """Take in what arrives within a time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._take(left)

    def until(self, seen: str | Callable[[list[str]], bool], limit_s: float = 60) -> float:
        """Wait until a text stands on the screen, or a condition holds of its lines; how long it took."""
        begun = time.monotonic()
        holds = (lambda lines: any(seen in line for line in lines)) if isinstance(seen, str) else seen
        while not holds(self.lines()):
            assert time.monotonic() - begun < limit_s, f"{seen} is not on:\n" + "\n".join(self.lines())
            self._take(0.02)
        return time.monotonic() - begun

    def lines(self) -> list[str]:
        """What stands on the screen, without spaces at the ends of lines."""
        return [line.rstrip() for line in self._screen.display]

    def cells(self) -> list[list[pyte.screens.Char]]:
        """What stands on the screen, with its colours."""
        return [list(line.values()) for line in self._screen.buffer.values()]

    def text(self) -> str:
        """The same as one text, without the empty lines at the end."""
        return "\n".join(self.lines()).rstrip() + "\n"

    def prompt(self) -> str | None:
        """What stands on the prompt's line, None where the cursor is not on one."""
        line = self.lines()[self._screen.cursor.y]
        return line[2:] if line == ">" or line.startswith("> ") else None

    def close(self) -> None:
        """End the process, whatever it does."""
        self.process.close(force=True)

    def _take(self, seconds: float) -> None:
        try:
            self._stream.feed(self.process.read_nonblocking(1 << 16, timeout=seconds))
        except pexpect.TIMEOUT:
            pass
        except pexpect.EOF:
            time.sleep(min(seconds, 0.02))
