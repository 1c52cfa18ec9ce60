"""How a turn is told to stop, and why: the user's wish, or the time limit.

The stop of the current turn travels in a context variable, which LangGraph hands on to the threads it runs
models and tools in. So whatever generates text in a turn, the model or a tool, stops for the same reason.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

StopReason = Literal["cancelled", "time_limit"]


class TurnStopped(Exception):
    """Generation ended because its turn was told to stop."""


class Stop(threading.Event):
    """An event that remembers the first reason it was set for."""

    reason: StopReason | None = None

    def because(self, reason: StopReason) -> None:
        """Ask the turn to stop."""
        self.reason = self.reason or reason
        self.set()


_current: ContextVar[Stop | None] = ContextVar("stop", default=None)


def current_stop() -> Stop:
    """The stop of the turn that this code runs in; one that nobody sets where there is no turn."""
    return _current.get() or Stop()


@contextmanager
def stopping(stop: Stop, time_limit_s: float | None = None) -> Iterator[Stop]:
    """Make `stop` the current one inside the block, and set it when the time is up."""
    timer = threading.Timer(time_limit_s, stop.because, ["time_limit"]) if time_limit_s else None
    before = _current.set(stop)
    if timer:
        timer.daemon = True
        timer.start()
    try:
        yield stop
    finally:
        _current.reset(before)
        if timer:
            timer.cancel()
