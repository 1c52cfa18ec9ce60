"""Routers that think nothing, and cases that see through them, for the tests of `eval agent`."""

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripted import ScriptedEngine, answer, call
from session_samples import SEARCH, SUMMARIZE, small_index

from agent.engines.base import Message
from agent.evaluation import Evaluation, evaluate_agent
from agent.evaluation.agent_cases import AgentCase, Expected, Route
from tools.seeds import text_seed

TEXT = "The mill was closed in spring, and the village bakes its bread from bought flour now. " * 3


def pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


def cases(each: int = 2) -> list[AgentCase]:
    """So many questions for each route; what is right is written into the question for `knowing` to read."""
    found = []
    for n in range(each):
        found += [
            AgentCase(
                f"search-{n}",
                f"recipe_search please, crepes {n}",
                Expected("recipe_search", {"query": pattern("crepes")}, sources=("crepes",)),
            ),
            AgentCase(
                f"sum-{n}", f"summarize, number {n}: {TEXT}", Expected("summarize", answer=(pattern("mill"),))
            ),
            AgentCase(f"direct-{n}", f"direct, number {n}", Expected("direct", answer=(pattern("jupiter"),))),
        ]
    return found


def has_observed(messages: Sequence[Message]) -> bool:
    return "Observation:" in messages[-1]["content"]


def knowing(messages: Sequence[Message]) -> str:
    """The right route, and an answer that passes."""
    if has_observed(messages):
        return answer("The mill is closed.")
    for route, step in (("recipe_search", SEARCH), ("summarize", SUMMARIZE)):
        if messages[-1]["content"].startswith(route):
            return step
    return answer("It is Jupiter.")


def always_searching(messages: Sequence[Message]) -> str:
    return (
        answer("Look at the recipe.")
        if has_observed(messages)
        else call("recipe_search", '{"query": "soup"}')
    )


def at_random(messages: Sequence[Message]) -> str:
    """A route that the question decides, but not by what it means."""
    drawn = random.Random(text_seed(0, messages[-1]["content"]))
    return answer("Done.") if has_observed(messages) else drawn.choice([SEARCH, SUMMARIZE, answer("Hm.")])


def evaluated(engine: ScriptedEngine, judged: Sequence[AgentCase], **kwargs: Any) -> Evaluation:
    return evaluate_agent(judged, engine, small_index(), **kwargs)


def metrics_of(engine: ScriptedEngine, *names: str, **kwargs: Any) -> list[Any]:
    """These metrics of an engine over two cases for each route."""
    found = evaluated(engine, cases(), **kwargs).metrics.metrics
    return [found[name] for name in names]


def by_route(search: float, summarize: float, direct: float) -> dict[Route, float]:
    return {"recipe_search": search, "summarize": summarize, "direct": direct}


def line(folder: Path, name: str) -> list[str]:
    return (folder / name).read_text(encoding="utf-8").splitlines()
