"""How far an evaluation is, on stderr: a bar in a terminal, elsewhere a plain line every few seconds."""

import time
from typing import Any, Self

_BETWEEN_LINES_S = 10.0


class Progress:
    """Counts the cases that are done; use it as a context."""

    def __init__(self, title: str, cases: int, done: int = 0) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._title, self._cases, self._done = title, cases, done
        self._before = done
        self._started = self._said = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(20),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
            )
            self._bar = Bar(*columns, console=self._console)
            self._task = self._bar.add_task(self._title, total=self._cases, completed=self._done)
            self._bar.start()
        elif self._before:
            self._say(f"{self._title}: {self._before} of {self._cases} cases were judged before")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()
        self._bar = None

    def advance(self) -> None:
        """One more case is done."""
        self._done += 1
        now = time.monotonic()
        if self._bar:
            self._bar.update(self._task, completed=self._done)
        elif self._done == self._cases or now - self._said >= _BETWEEN_LINES_S:
            self._said = now
            seconds = now - self._started
            self._say(f"{self._title}: {self._done} of {self._cases} cases, {seconds:.0f} s")

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
