"""LangChain's published suites for tools: recipe_search on a real index, summarize on a real model."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.tools import BaseTool
from langchain_tests.integration_tests.tools import ToolsIntegrationTests
from langchain_tests.unit_tests.tools import ToolsUnitTests

from agent.engines import Engine, load_engine
from agent.policy import PromptedPolicy
from tools.index import RecipeIndex
from tools.recipes import embedded_recipes
from tools.search import recipe_search_tool
from tools.summarize import summarize_tool

TEXT = (
    "The council of Riverton met on Monday to discuss the new market hall. Building it will cost two million "
    "dollars and take three years. Most members were in favour; the vote was put off until May."
)


@cache
def index() -> RecipeIndex:
    """The first hundred shipped recipes, with vectors that need no weights."""
    filled = RecipeIndex(DeterministicFakeEmbedding(size=32))
    filled.add(list(embedded_recipes())[:100])
    return filled


@cache
def engine() -> Engine:
    return load_engine()


@pytest.fixture(scope="module", autouse=True)
def _closing_the_engine() -> Iterator[None]:
    yield
    engine().close()
    engine.cache_clear()


class RecipeSearch:
    @property
    def tool_constructor(self) -> BaseTool:
        return recipe_search_tool(index())

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"query": "bread without eggs"}


class Summarize:
    @property
    def tool_constructor(self) -> BaseTool:
        return summarize_tool(PromptedPolicy(engine()))

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        return {"source": TEXT}


class TestRecipeSearchUnit(RecipeSearch, ToolsUnitTests):
    pass


class TestRecipeSearchIntegration(RecipeSearch, ToolsIntegrationTests):
    pass


class TestSummarizeUnit(Summarize, ToolsUnitTests):
    pass


class TestSummarizeIntegration(Summarize, ToolsIntegrationTests):
    pass
