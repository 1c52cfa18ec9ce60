"""What the agent itself costs: a turn's time less engine and tools, in milliseconds a step.

    python tests/benchmarks/agent_overhead.py

The engine is scripted and the recipes are the shipped ones, so nothing waits for a model. A step is one call
of the model. The figure is the median over the turns; the worst turn is printed beside it.
"""

import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from langchain_core.embeddings import DeterministicFakeEmbedding
from scripted import ScriptedEngine, answer, call

from agent import Session, build_agent
from tools.index import RecipeIndex
from tools.recipes import embedded_recipes

TURNS = 30
LIMIT_MS = 50.0
DISHES = ("banana bread", "pancakes", "apple pie")


def main() -> None:
    index = RecipeIndex(DeterministicFakeEmbedding(size=384))
    index.add(list(embedded_recipes()))
    for name, steps in (("answer at once", 0), ("one search", 1), ("three searches", 3)):
        median, worst = overhead_ms(index, steps)
        print(
            f"{name:15} {median:6.1f} ms a step   worst turn {worst:6.1f} ms   limit {LIMIT_MS:.0f} ms "
            f"= {LIMIT_MS / median:4.1f} x   (n = {TURNS} turns of one conversation)"
        )


def overhead_ms(index: RecipeIndex, searches: int) -> tuple[float, float]:
    """Median and worst over the turns of a growing conversation; its first turn warms up and is left out."""
    replies = [call("recipe_search", f'{{"query": "{dish}"}}') for dish in DISHES[:searches]]
    spoken = answer(next(text for recipe in embedded_recipes() if len(text := recipe.text()) > 600))
    session = Session(build_agent(ScriptedEngine(*[*replies, spoken] * (TURNS + 1)), index))
    spent = []
    for number in range(TURNS + 1):
        timing = session.ask(f"Question {number}?").timing
        spent.append(1000 * (timing.total - timing.model - timing.tools) / (searches + 1))
    return statistics.median(spent[1:]), max(spent[1:])


if __name__ == "__main__":
    main()
