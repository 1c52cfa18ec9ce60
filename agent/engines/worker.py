"""One background thread per engine, which runs its completions one after the other.

A completion hands over what it produces through a queue, so that a stream can end at once while a forward
pass that nothing can interrupt is still running; the completion itself stops at the next thing it hands over.
A stream that its reader abandons without closing it therefore never blocks the next one for good.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from threading import Event
from typing import TypeVar

Item = TypeVar("Item")
Emit = Callable[[Item], bool]  # takes what was produced; True asks for the end

_POLL_S = 0.02  # how often a waiting stream looks at its cancel event


class Worker:
    """Runs completions in turn, in one thread."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")
        self._closed = False

    def stream(self, work: Callable[[Emit[Item]], None], cancelled: Event) -> Iterator[Item]:
        """Yield what `work` emits until it returns or `cancelled` is set; its errors are raised here."""
        stop = Event()
        items: SimpleQueue[Item | None] = SimpleQueue()

        def emit(item: Item) -> bool:
            items.put(item)
            return stop.is_set()

        future = self._executor.submit(work, emit)
        future.add_done_callback(lambda _: items.put(None))
        try:
            while not cancelled.is_set():
                try:
                    item = items.get(timeout=_POLL_S)
                except Empty:
                    continue
                if item is None:
                    return future.result()
                yield item
        finally:
            stop.set()
            future.cancel()

    def close(self, last: Callable[[], None] | None = None) -> None:
        """Wait for what is running, then run `last` in the same thread. Calling it twice is harmless."""
        if self._closed:
            return
        self._closed = True
        ending = self._executor.submit(last) if last is not None else None
        self._executor.shutdown(wait=True)
        if ending is not None:
            ending.result()
