"""Ctrl-C while a question runs: it asks the turn to stop, and never breaks into the middle of something.

A KeyboardInterrupt could fall between the last word of an answer and its saving; a handler that only asks
cannot. Outside the block Ctrl-C is what it always was. Inside, the terminal does not echo either: what is
typed ahead would land in the middle of the answer; it is kept and stands at the next prompt.
"""

import signal
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Interrupt:
    """Whether Ctrl-C was pressed while a question ran."""

    def __init__(self) -> None:
        self.pressed = False
        self._stop: Callable[[], None] | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Inside the block Ctrl-C stops what `stops_with` named."""
        self.pressed, self._stop = False, None
        before = signal.signal(signal.SIGINT, lambda *_: self.press())
        try:
            with _without_echo():
                yield
        finally:
            signal.signal(signal.SIGINT, before)
            self._stop = None

    def stops_with(self, stop: Callable[[], None]) -> None:
        """Say what stops the work that begins now."""
        self._stop = stop
        if self.pressed:
            stop()

    def press(self) -> None:
        """Do what Ctrl-C does."""
        self.pressed = True
        if self._stop:
            self._stop()


@contextmanager
def _without_echo() -> Iterator[None]:
    """Inside the block a terminal does not show what is typed; elsewhere nothing changes."""
    if not sys.stdin or not sys.stdin.isatty():
        yield
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    silent = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]  # the fourth are the local modes
    termios.tcsetattr(terminal, termios.TCSANOW, silent)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSANOW, before)
