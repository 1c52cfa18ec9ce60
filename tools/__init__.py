"""What the agent calls, usable without it: recipes, their index, search, summaries, model files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from tools.index import RecipeIndex
    from tools.recipes import Recipe
    from tools.search import Searcher
    from tools.summarize import Policy

__all__ = ["Recipe", "RecipeIndex", "build_tools"]


def build_tools(index: Searcher, policy: Policy) -> list[BaseTool]:
    """The tools that the agent offers: recipe_search over an index, and summarize by a policy."""
    from tools.search import recipe_search_tool
    from tools.summarize import summarize_tool

    return [recipe_search_tool(index), summarize_tool(policy)]


def __getattr__(name: str) -> Any:
    # Imported when asked for, so that `souschef --help` waits for none of it.
    if name == "Recipe":
        from tools.recipes import Recipe

        return Recipe
    if name == "RecipeIndex":
        from tools.index import RecipeIndex

        return RecipeIndex
    raise AttributeError(f"module 'tools' has no attribute {name!r}")
