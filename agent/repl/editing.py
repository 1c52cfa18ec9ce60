"""The prompt: line editing with a history that survives, completion, and a quiet line about what loads.

Enter sends; Alt-Enter, or a backslash at the end of a line, begins a new one; a paste keeps its lines. Every
line is in the history, flushed to disk, before it is acted on, also one that Ctrl-C clears. The models begin
to load when the first prompt has been drawn, so that it never waits for them.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import Completer
from prompt_toolkit.filters import Condition, has_completions
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.styles import Style

_STYLE = Style.from_dict(
    {
        "prompt": "bold",
        "bottom-toolbar": "noreverse fg:ansibrightblack",
        "bottom-toolbar.text": "noreverse fg:ansibrightblack",
        "completion-menu": "bg:default fg:ansibrightblack",
        "completion-menu.completion.current": "bg:default fg:default bold",
    }
)
_MENU_LINES = 5


class History(FileHistory):
    """Earlier lines, each flushed to disk; where the file cannot be used they are kept in memory."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        super().__init__(str(path))
        self._path, self._say, self._said = path, say, False

    def load_history_strings(self) -> Iterator[str]:
        """The lines of earlier chats, newest first."""
        try:
            yield from super().load_history_strings()
        except OSError as error:
            self._refused(error)

    def store_string(self, string: str) -> None:
        """Append a line, in prompt_toolkit's format: each of its lines begins with "+"."""
        lines = "".join(f"+{line}\n" for line in string.split("\n"))
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(handle, f"\n# chat\n{lines}".encode("utf-8", "replace"))
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            self._refused(error)

    def _refused(self, error: OSError) -> None:
        if not self._said:
            self._said = True
            self._say(
                f"{self._path} cannot be used ({error.strerror}): lines are remembered for this chat only."
            )


class Prompt:
    """Asks for a line on a terminal."""

    def __init__(
        self,
        history: FileHistory | None,
        completer: Completer,
        status: Callable[[], str],
        first_shown: Callable[[], None],
        *,
        cleared: Callable[[], None],
        plain: bool,
    ) -> None:
        self._cleared = cleared
        self._first_shown: Callable[[], None] | None = first_shown
        self.hint = ""  # stands in the status line until a key is pressed
        self._session: PromptSession[str] = PromptSession(
            [("class:prompt", "> ")],
            multiline=True,
            prompt_continuation=_continuation,
            key_bindings=_keys(self),
            history=history,
            completer=completer,
            complete_while_typing=Condition(_is_completable),
            reserve_space_for_menu=_MENU_LINES,
            bottom_toolbar=lambda: self._status_line(status),
            enable_open_in_editor=True,
            style=_STYLE,
            color_depth=ColorDepth.DEPTH_1_BIT if plain else None,
        )
        self._session.app.after_render += self._drawn
        self._session.default_buffer.on_text_changed += self._typed

    def ask(self, draft: str = "") -> str:
        """A line, or several. Raises EOFError at Ctrl-D and KeyboardInterrupt at Ctrl-C."""
        with _lines_above():
            return self._session.prompt(default=draft)

    def redraw(self) -> None:
        """Draw the status line again; callable from any thread."""
        self._session.app.invalidate()

    def clear(self) -> None:
        """Ctrl-C: clear the line, but remember it; an empty one only hints at Ctrl-D."""
        buffer = self._session.default_buffer
        if buffer.text:
            buffer.append_to_history()
            buffer.reset()
            self._cleared()
        else:
            self.hint = "Ctrl-D or /quit leaves."

    def _typed(self, _: object) -> None:
        self.hint = ""

    def _drawn(self, _: object) -> None:
        if self._first_shown:
            begin, self._first_shown = self._first_shown, None
            begin()

    def _status_line(self, status: Callable[[], str]) -> StyleAndTextTuples:
        return [("class:bottom-toolbar.text", self.hint or status())]


def _keys(prompt: Prompt) -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _send(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.document.char_before_cursor == "\\" and buffer.document.is_cursor_at_the_end_of_line:
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("c-c")
    @keys.add("<sigint>")
    def _clear(_: KeyPressEvent) -> None:
        prompt.clear()

    @keys.add("escape", filter=has_completions, eager=True)
    def _close_menu(event: KeyPressEvent) -> None:
        event.current_buffer.cancel_completion()

    return keys


def _continuation(width: int, line: int, wrapped: int) -> StyleAndTextTuples:  # noqa: ARG001
    return [("", " " * width)]


def _is_completable() -> bool:
    """Menus open by themselves for commands and file names only."""
    text = get_app().current_buffer.document.current_line_before_cursor
    return text.startswith("/") or text.split(" ")[-1].startswith("@")


class NoTerminal:
    """A stream that says it is no terminal, so that what loads writes lines and draws no bars."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Pass a text on."""
        return self._stream.write(text)

    def flush(self) -> None:
        """Pass it on at once."""
        self._stream.flush()

    def isatty(self) -> bool:
        """It is none."""
        return False

    def fileno(self) -> int:
        """The stream's."""
        return self._stream.fileno()


@contextmanager
def _lines_above() -> Iterator[None]:
    """What other threads write while the prompt stands appears above it."""
    with patch_stdout(raw=True):
        sys.stderr = NoTerminal(sys.stderr)
        yield
