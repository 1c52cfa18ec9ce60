"""Whether the default agent's answers are the recipes that they cite, and what it says where there is none.

    python tests/benchmarks/answers_from_recipes.py --n 40 --missing 20 --seed 0

Dishes are drawn from the embedded index and asked for in plain words; others are real dishes that the index
does not hold. Means over dishes with 95% bootstrap intervals, and every answer that fell short. Exit 1 below
a limit.
"""

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[1]))

from recipe_answers import Missing, Present, ask_for_missing, ask_for_present

from agent import build_agent
from agent.engines import load_engine
from tools.bootstrap import mean_interval
from tools.index import embedded_index
from tools.recipes import embedded_recipes

LIMITS = {
    "answer's ingredients that the cited recipe has": 0.90,
    "cited recipe's ingredients in the answer": 0.80,
    "cites the dish asked for": 0.0,  # a figure, no limit
    "says that a missing dish is missing": 0.90,
}


@click.command()
@click.option("--n", "count", default=40, show_default=True, help="Dishes that the index holds.")
@click.option("--missing", default=20, show_default=True, help="Dishes that it does not hold.")
@click.option("--seed", default=0, show_default=True, help="Of dishes and of the words that ask.")
def main(count: int, missing: int, seed: int) -> None:
    """Ask, judge, print."""
    recipes = list(embedded_recipes())
    with closing(load_engine()) as engine:
        agent = build_agent(engine, embedded_index())
        present = ask_for_present(agent, recipes, count, seed)
        absent = ask_for_missing(agent, recipes, missing, seed)
    values = (
        [one.from_recipe for one in present],
        [one.of_recipe for one in present],
        [float(one.is_the_dish) for one in present],
        [float(one.says_so) for one in absent],
    )
    met = [report(name, LIMITS[name], column) for name, column in zip(LIMITS, values, strict=True)]
    show_short_falls(present, absent)
    sys.exit(not all(met))


def report(name: str, limit: float, values: Sequence[float]) -> bool:
    """Print a mean with its interval; whether it reaches its limit."""
    if not values:
        return True
    mean = mean_interval(values)
    wanted = f"limit {limit:.2f}: {'met' if mean.mean >= limit else 'MISSED'}" if limit else ""
    print(f"{name:48} {mean.mean:6.3f} ({mean.low:.3f} to {mean.high:.3f}, n = {mean.n})   {wanted}")
    return mean.mean >= limit


def show_short_falls(present: Sequence[Present], absent: Sequence[Missing]) -> None:
    """What was asked and how the answer begins, wherever a figure is below 1."""
    for one in present:
        if min(one.from_recipe, one.of_recipe, one.is_the_dish) < 1:
            shares = f"{one.from_recipe:.2f} {one.of_recipe:.2f} {'' if one.is_the_dish else 'another dish'}"
            print(f"  {shares}  {one.turn.question!r} -> {one.turn.answer[:160]!r}")
    for other in absent:
        if not other.says_so:
            print(f"  not said to be missing  {other.turn.question!r} -> {other.turn.answer[:160]!r}")


if __name__ == "__main__":
    main()
