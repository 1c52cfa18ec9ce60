"""What holds in every suite; this file's folder is importable in each, for the scripted engine and the like.

Property tests have no deadline: on a busy machine a slow example says nothing about the code. Where CI is
set they draw the same examples every time, elsewhere new ones. Unit tests run without torch and nltk (which
rouge_score needs), whose imports alone take seconds, and wait for no disk: that a file survives a loss of
power no test can see, and that each write asks for it in the right order is what tests/integration tests.
Tests that run beside others (pytest-xdist) have cores of their own: threads that wait for one another lose
whole time slices where others want their core. Those marked `alone` measure time and run with all cores.
Before the first of the other tests the embedded models are fetched and their index is built: tests see what
a user sees every time after the first; the first use itself is tested with a cache of its own.
"""

import gc
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("souschef", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("souschef")

# A shell starts its background jobs with Ctrl-C ignored, and what they start inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)

_worker, _workers = os.environ.get("PYTEST_XDIST_WORKER"), os.environ.get("PYTEST_XDIST_WORKER_COUNT")
if _worker and _workers and hasattr(os, "sched_setaffinity"):  # before anything counts the cores
    _cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, _cores[int(_worker[2:]) % len(_cores) :: int(_workers)])

_UNIT = Path(__file__).parent / "unit"


@pytest.fixture(scope="session", autouse=True)
def _models_at_hand(request: pytest.FixtureRequest) -> None:
    if not _only_unit(request.session):
        from agent.engines import load_engine
        from tools.index import embedded_index

        load_engine().close()
        embedded_index()


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if _only_unit(request.session):
            patch.setattr(os, "fsync", lambda _: None)
        yield


def pytest_collection_finish(session: pytest.Session) -> None:
    """What unit tests were collected from lives to the end: the garbage collector need not visit it often."""
    if _only_unit(session):
        gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, or one process would end minutes after the other."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Fail in a run of nothing but unit tests where something has imported what takes seconds."""
    slow = [name for name in ("torch", "nltk") if name in sys.modules]
    if slow and _only_unit(item.session):
        pytest.fail(
            f"A unit test imported {slow[0]}: import it inside the function that needs it, or move the test "
            "to tests/integration.",
            pytrace=False,
        )


def _only_unit(session: pytest.Session) -> bool:
    return all(_UNIT in item.path.parents for item in session.items)
