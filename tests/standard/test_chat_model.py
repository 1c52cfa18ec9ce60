"""LangChain's published suites for chat models, on ReActChat with the embedded model.

What is switched off needs more than text goes in and out of: images, PDFs, audio, video, and one vendor's
content blocks. Nothing that a text model can do is skipped.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from langchain_tests.integration_tests.chat_models import ChatModelIntegrationTests
from langchain_tests.unit_tests.chat_models import ChatModelUnitTests

from agent.chat import ReActChat
from agent.engines import Engine, load_engine


@cache
def engine() -> Engine:
    """One engine for all tests; loading it anew for each would take most of the time."""
    return load_engine()


@pytest.fixture(scope="module", autouse=True)
def _closing_the_engine() -> Iterator[None]:
    yield
    engine().close()
    engine.cache_clear()


class OnTheEmbeddedModel:
    @property
    def chat_model_class(self) -> type[ReActChat]:
        return ReActChat

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"engine": engine()}

    @property
    def supports_model_override(self) -> bool:
        return False  # an engine is one model's weights in memory: another model is another engine

    # Images, PDFs, audio and Anthropic's content blocks are off by default: engines read text alone.
    # JSON mode is off by default: structured output comes from a tool's schema, which is stricter.
    # Nor are there settings in the environment, HTTP calls to record, or weights to write as JSON.


class TestReActChatUnit(OnTheEmbeddedModel, ChatModelUnitTests):
    pass


class TestReActChatIntegration(OnTheEmbeddedModel, ChatModelIntegrationTests):
    pass
