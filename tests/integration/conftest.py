"""Before the first test: the embedded models are fetched and their index is built, as on any first use.

Tests then see what a user sees every time after it; the first use itself is tested with a cache of its own.
"""

import pytest


@pytest.fixture(scope="session", autouse=True)
def _models_at_hand() -> None:
    from tools.index import embedded_index
    from tools.models import model_path

    model_path("smollm2-135m")
    embedded_index()
