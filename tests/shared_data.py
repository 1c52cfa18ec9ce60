"""The real data beside the project, which CI has and a user does not."""

import os
from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / "shared/data"
needs_data = pytest.mark.skipif(
    not DATA.exists() and "CI" not in os.environ,
    reason="the data lie beside the project, in ../shared/data, and are not here",
)
