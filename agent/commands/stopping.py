"""What Ctrl-C says in work that can be gone on with: one sentence, and exit code 130."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click


class Stopped(click.ClickException):
    """Ctrl-C, without the "Error:" that click puts before what went wrong."""

    exit_code = 130

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"souschef: {self.message}", file=file, err=file is None)


@contextmanager
def saying_how_to_go_on(how: str) -> Iterator[None]:
    """End on Ctrl-C with `how` the same command goes on, such as "--resume goes on with the run"."""
    try:
        yield
    except KeyboardInterrupt as stop:
        raise Stopped(f"Stopped: the same command with {how}.") from stop
