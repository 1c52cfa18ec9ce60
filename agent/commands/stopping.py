"""What Ctrl-C says in work that can be gone on with: one sentence, and exit code 130."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

_AGAIN_S = 1.0


class Stopped(click.ClickException):
    """Ctrl-C, without the "Error:" that click puts before what went wrong."""

    exit_code = 130

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"souschef: {self.message}", file=file, err=file is None)


@contextmanager
def saying_how_to_go_on(how: str) -> Iterator[None]:
    """End on Ctrl-C with `how` the same command goes on, such as "--resume goes on with the run"."""
    with _until_it_is_heard():
        try:
            yield
        except KeyboardInterrupt as stop:
            raise Stopped(f"Stopped: the same command with {how}.") from stop


@contextmanager
def _until_it_is_heard() -> Iterator[None]:
    """Within it Ctrl-C is raised again and again: one that falls into a destructor is ignored by Python."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: object) -> None:
        signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
        raise KeyboardInterrupt

    alarm = signal.getsignal(signal.SIGALRM)
    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if signal.getsignal(signal.SIGALRM) is stop:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, alarm)
