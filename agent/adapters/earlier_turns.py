"""What a conversation held before the turn that a row teaches, and phrasings with their slots filled.

The agent shows a small model each earlier turn in brief: what was asked and the first step. So a turn that
searched, or one that summarized, is all that is made here. Left out: more than one earlier turn.
"""

import random
import re
from collections.abc import Mapping, Sequence
from functools import cache

from langchain_core.messages import BaseMessage

from agent.adapters.material import Material, dish_of, hit
from agent.adapters.react_rows import asked, called, observed, search, summarize
from agent.adapters.wording import Side, said_and_sought, short_key, thought, toned, worded
from prompts import fill
from tools.recipes import Recipe

_SLOT = re.compile(r"{{(\w+)}}")


def earlier_search(
    material: Material, side: Side, rng: random.Random
) -> tuple[list[BaseMessage], str, tuple[str, ...]]:
    """A turn that searched, mostly for a dish, and found recipes; its query; what it is made of."""
    recipe = rng.choice(material.named_recipes)
    lines = worded("recipe_requests", side)
    if rng.random() < 0.6:
        lines = _for_a_dish(lines)
    marked = None
    while marked is None:
        line = rng.choice(lines)
        marked = filled(line, recipe, side, rng)
    text, query = said_and_sought(toned(marked, side, rng, lead=False))
    others = rng.sample([one for one in material.recipes if one != recipe], 2)
    hits = [hit(one, rank) for rank, one in enumerate([recipe, *others], start=1)]
    turn = [asked(text), called(thought(kind_of_request(line), text), search(query)), observed(hits)]
    return turn, query, (recipe.uid, *(one.uid for one in others), line)


def earlier_summary(material: Material, rng: random.Random) -> tuple[list[BaseMessage], tuple[str, ...]]:
    """A turn that summarized a text which the user had sent, and what it is made of."""
    text = material.any_text(rng)
    said = thought("message", text.text)
    return [asked(text.text), called(said, summarize("message"))], (short_key(text.key),)


def maybe_before(
    material: Material, side: Side, rng: random.Random, share: float
) -> tuple[list[BaseMessage], tuple[str, ...]]:
    """Sometimes an earlier turn: mostly a search, else a summary."""
    if rng.random() >= share:
        return [], ()
    if rng.random() < 0.25:
        return earlier_summary(material, rng)
    before, _, pieces = earlier_search(material, side, rng)
    return before, pieces


@cache
def _for_a_dish(lines: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(line for line in lines if slots_of(line) == {"dish"})


def kind_of_request(line: str) -> str:
    """What a phrasing of a request is about, as the thoughts call it.

    >>> kind_of_request("A [{{kind}} with {{ingredient}}], please.")
    'wishes'
    """
    slots = slots_of(line)
    if "dish" in slots:
        return "dish"
    return "wishes" if slots & {"kind", "before", "after"} or not slots else "ingredients"


# ---- slots


def filled(line: str, recipe: Recipe, side: Side, rng: random.Random) -> str | None:
    """The line with its slots filled; nothing where the recipe has no such thing."""
    slots = slots_for(recipe, side, rng)
    if not slots_of(line) <= slots.keys():
        return None
    return re.sub(r"\b([Aa]) (\[?)(?=[aeiouAEIOU])", r"\1n \2", fill(line, **slots))


def slots_for(recipe: Recipe, side: Side, rng: random.Random) -> Mapping[str, str]:
    """What a line may say about a recipe: its name, ingredients of it, and wishes of any kind."""
    dish = dish_of(recipe)
    return {
        "dish": dish if rng.random() < 0.25 else dish.lower(),
        "before": rng.choice(worded("wishes_before", side)),
        "after": rng.choice(worded("wishes_after", side)),
        "kind": rng.choice(worded("kinds", side)),
        **ingredient_slots(ingredients_of(recipe, side, rng)),
    }


def ingredient_slots(named: Sequence[str]) -> Mapping[str, str]:
    keys = ("ingredient", "ingredient2", "ingredient3")
    return dict(zip(keys, named, strict=False))


def ingredients_of(recipe: Recipe, side: Side, rng: random.Random) -> list[str]:
    """Up to three well-known ingredients of a recipe, in any order, none part of another."""
    held = [name for name in worded("ingredients", side) if holds(recipe, name)]
    apart = [name for name in held if not any(name != other and name in other for other in held)]
    return rng.sample(apart, min(3, len(apart)))


def holds(recipe: Recipe, ingredient: str) -> bool:
    return _beginning(ingredient).search(" ".join(recipe.ingredients).lower()) is not None


@cache
def _beginning(ingredient: str) -> re.Pattern[str]:
    return re.compile(rf"\b{re.escape(ingredient.removesuffix('s').removesuffix('e'))}")


def slots_of(line: str) -> set[str]:
    """The names of a line's slots.

    >>> sorted(slots_of("{{dish}} with {{ingredient}}"))
    ['dish', 'ingredient']
    """
    return set(_SLOT.findall(line))
