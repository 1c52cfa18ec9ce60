"""What holds in the unit tests alone: nothing waits for the disk, and the garbage collector has less to do.

That a file survives a loss of power is fsync's work, which no test can see; that each write asks for it
in the right order is what tests/integration tests, by killing processes between the calls.
"""

import gc
import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


def pytest_collection_finish() -> None:
    """Thousands of tests and modules live to the end: the garbage collector need not visit them each time."""
    gc.freeze()
