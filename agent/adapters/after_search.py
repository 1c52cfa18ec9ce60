"""Rows for the step after a search: which of the recipes fits, or that none was found.

The agent copies the chosen recipe itself, so a small model only writes the thought that chooses it; the first
line of the answer stands behind it to show where it leads. Left out: that none of the found recipes fits,
which the agent's grammar for this step cannot say.
"""

import dataclasses
import random
from collections.abc import Iterator, Sequence

from agent.adapters.earlier_turns import holds, ingredient_slots, ingredients_of, slots_of
from agent.adapters.material import Material, hit
from agent.adapters.react_rows import Row, asked, called, observed, search
from agent.adapters.searches import requests
from agent.adapters.wording import Side, phrasings, said_and_sought, thought, toned, worded
from agent.choice import mentions
from agent.extraction import by_name
from agent.react import Action
from prompts import fill, prompt
from tools.recipes import Recipe


def choices(material: Material, side: Side, rng: random.Random) -> Iterator[Row]:
    """Three recipes were found and one fits: the thought that chooses it, and the answer's first line."""
    slots = ({"ingredient"}, {"ingredient", "ingredient2"})
    lines = [line for line in worded("recipe_requests", side) if slots_of(line) in slots]
    while True:
        recipe, line = rng.choice(material.recipes), rng.choice(lines)
        named = ingredients_of(recipe, side, rng)
        if len(named) < 2 or "not " in line or "without" in line or "no " in line:
            continue
        text, query = said_and_sought(toned(fill(line, **ingredient_slots(named)), side, rng))
        wanted = named[: len(slots_of(line))]
        others = [one for one in rng.sample(material.recipes, min(60, len(material.recipes)))
                  if one != recipe and not all(holds(one, name) for name in wanted)]  # fmt: skip
        if len(others) >= 2:
            row = _choice(text, query, recipe, others[:2], rng)
            if row is not None:
                yield dataclasses.replace(row, made_of=(*row.made_of, line))


def _choice(
    text: str, query: str, recipe: Recipe, others: Sequence[Recipe], rng: random.Random
) -> Row | None:
    shown = [recipe, *(_hostile(one, rng) if rng.random() < 0.2 else one for one in others)]
    rng.shuffle(shown)
    hits = [hit(one, rank) for rank, one in enumerate(shown, start=1)]
    turn = (asked(text), called(thought("ingredients", text), search(query)), observed(hits))
    place = shown.index(recipe)
    fitting = by_name(hits[place], place + 1)
    if not mentions(hits[place], query) or not fitting.answer.startswith(f"{recipe.name} ["):
        return None
    pieces = tuple(one.uid for one in shown)
    return Row(turn, fitting.thought, fitting.answer, "recipes/embedded", pieces)


def _hostile(recipe: Recipe, rng: random.Random) -> Recipe:
    """The recipe with an instruction to the model among its steps."""
    return dataclasses.replace(recipe, steps=(*recipe.steps, rng.choice(phrasings("hostile"))))


def nothing_found(material: Material, side: Side, rng: random.Random) -> Iterator[Row]:
    """The search came back empty: say so, and make nothing up."""
    for row in requests(material, side, rng):
        assert isinstance(row.step, Action)
        query = str(row.step.args["query"])
        empty = observed([])
        turn = (*row.conversation, called(row.thought, row.step), empty)
        line = rng.choice(worded("nothing_found", side))
        assert empty.text == prompt("nothing_found")
        yield Row(turn, thought("nothing", query), fill(line, query=query), row.source, (*row.made_of, line))
