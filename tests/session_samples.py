"""Sessions over a scripted engine and four real recipes, for the tests of conversations."""

from functools import cache
from typing import Any

from index_samples import SAMPLES, CountingEmbeddings
from langchain_core.tools import StructuredTool
from scripted import ScriptedEngine, call

from agent import Session, build_agent
from tools.index import RecipeIndex

SEARCH = call("recipe_search", '{"query": "crepes"}', thought="a recipe is needed")
SUMMARIZE = call("summarize", '{"source": "message"}')
ARTICLE = " ".join(f"Sentence {number} is about bread." for number in range(1000))  # 5,000 words


@cache
def small_index() -> RecipeIndex:
    """A real index in memory, with vectors that no model made."""
    filled = RecipeIndex(CountingEmbeddings())
    filled.add(list(SAMPLES))
    return filled


def session(index: RecipeIndex, engine: ScriptedEngine, **kwargs: Any) -> Session:
    options = {name: kwargs.pop(name) for name in ("time_limit_s",) if name in kwargs}
    return Session(build_agent(engine, index, **kwargs), **options)


def only(name: str, run: Any) -> StructuredTool:
    return StructuredTool.from_function(run, name=name, description="A tool.", handle_tool_error=True)
