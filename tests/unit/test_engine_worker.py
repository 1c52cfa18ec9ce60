"""The thread that runs completions: order, cancelling, errors, closing. No model is needed."""

import time
from threading import Event

import pytest

from agent.engines.worker import Emit, Worker


def endless(emit: Emit[int]) -> None:
    number = 0
    while not emit(number):
        number += 1
        time.sleep(0.01)


def test_items_come_in_order_and_end_with_the_work() -> None:
    def three(emit: Emit[int]) -> None:
        for number in range(3):
            emit(number)

    assert list(Worker().stream(three, Event())) == [0, 1, 2]


def test_an_error_in_the_work_is_raised_where_the_stream_is_read() -> None:
    def fails(emit: Emit[int]) -> None:
        emit(1)
        raise ValueError("broken")

    stream = Worker().stream(fails, Event())
    assert next(stream) == 1
    with pytest.raises(ValueError, match="broken"):
        next(stream)


def test_a_cancelled_stream_ends_while_the_work_is_still_busy() -> None:
    worker, cancelled, may_end = Worker(), Event(), Event()

    def busy(emit: Emit[int]) -> None:
        emit(1)
        may_end.wait(10)

    stream = worker.stream(busy, cancelled)
    assert next(stream) == 1
    cancelled.set()
    began = time.monotonic()
    assert list(stream) == []
    assert time.monotonic() - began < 0.3
    may_end.set()
    worker.close()


def test_closing_a_stream_stops_its_work_and_lets_the_next_one_run() -> None:
    worker = Worker()
    first = worker.stream(endless, Event())
    assert next(first) == 0
    first.close()  # type: ignore[attr-defined]
    second = worker.stream(endless, Event())
    assert next(second) == 0
    second.close()  # type: ignore[attr-defined]
    worker.close()


def test_a_waiting_stream_that_is_cancelled_never_starts() -> None:
    worker, cancelled, started = Worker(), Event(), Event()
    first = worker.stream(endless, Event())
    assert next(first) == 0
    cancelled.set()
    assert list(worker.stream(lambda _: started.set(), cancelled)) == []
    first.close()  # type: ignore[attr-defined]
    worker.close()
    assert not started.is_set()


def test_closing_twice_is_harmless_and_runs_the_last_call_once() -> None:
    worker, calls = Worker(), []
    worker.close(lambda: calls.append(1))
    worker.close(lambda: calls.append(2))
    assert calls == [1]
