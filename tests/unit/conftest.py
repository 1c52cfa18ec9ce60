"""The unit tests run without torch, whose import alone takes seconds: a run that imported it has failed."""

import sys
from pathlib import Path

import pytest

_UNIT = Path(__file__).parent


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run of nothing but unit tests in which something imported torch."""
    only_unit = bool(session.items) and all(_UNIT in item.path.parents for item in session.items)
    if only_unit and "torch" in sys.modules:
        raise pytest.UsageError(
            "A unit test imported torch: import it inside the function that needs it, or move the test to "
            "tests/integration."
        )
