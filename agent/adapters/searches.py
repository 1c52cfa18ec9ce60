"""Rows of the search route: requests in many words, and questions that go on with the last dish.

A search says the user's own words and keeps every wish of the request. For phrasings these words are marked
in the file; natural requests lose only the words of asking (queries.py). Left out: what follows a search,
which after_search.py has.
"""

import dataclasses
import random
from collections.abc import Iterator, Sequence

from langchain_core.messages import BaseMessage

from agent.adapters.earlier_turns import earlier_search, filled, kind_of_request, maybe_before
from agent.adapters.material import Material
from agent.adapters.queries import query_of, wants_a_recipe
from agent.adapters.react_rows import Row, asked, search
from agent.adapters.wording import Side, said_and_sought, short_key, surrounded, thought, toned, worded

REMARKS_OF_A_RECIPE = (  # intents of CookDial's users that the recipe answers
    "req_duration",
    "req_temperature",
    "req_ingredient_list",
    "req_amount",
    "req_instruction",
    "confirm; req_instruction",
    "thank; req_instruction",
)


def requests(material: Material, side: Side, rng: random.Random) -> Iterator[Row]:
    """Phrasings with dishes, ingredients and wishes in their slots."""
    lines = worded("recipe_requests", side)
    while True:
        recipe = material.any_dish(rng)
        line = rng.choice(lines)
        marked = filled(line, recipe, side, rng)
        if marked is None:
            continue
        text, query = said_and_sought(toned(marked, side, rng))
        kind = kind_of_request(line)
        collected = "recipes/embedded" if recipe in material.recipes else "recipes/web"
        source = collected if recipe.ingredients else "phrasings"
        before, pieces = maybe_before(material, side, rng, 0.12)
        yield _row([*before, asked(text)], kind, query, source, (*pieces, recipe.uid, line))


def natural_requests(material: Material, side: Side, rng: random.Random) -> Iterator[Row]:
    """Requests that people wrote, as they are and in another tone."""
    known = [*material.requests, *(one for one in material.unserved if wants_a_recipe(one.text))]
    for changed in (False, True, True):
        for one in known:
            text = toned(one.text, side, rng, lead=False) if changed else one.text
            query = query_of(text)
            said = surrounded(text, side, rng) if changed else text
            if query:
                yield _row([asked(said)], "wishes", query, one.source, (one.key,))


def requests_within_texts(material: Material, side: Side, rng: random.Random) -> Iterator[Row]:
    """A long text, pasted or attached, with a request for a recipe behind it: no summary is wanted."""
    for row in requests(material, side, rng):
        if len(row.conversation) > 1:
            continue
        text, short = material.any_text(rng), row.question
        long = asked(short, text.text) if rng.random() < 0.5 else asked(f"{text.text}\n\n{short}")
        pieces = (*row.made_of, short_key(text.key))
        yield dataclasses.replace(row, conversation=(long,), source=text.source, made_of=pieces)


def follow_ups(material: Material, side: Side, rng: random.Random) -> Iterator[Row]:
    """A question that goes on with the dish searched for before, and names it or not."""
    lines = worded("follow_ups", side)
    while True:
        before, query, pieces = earlier_search(material, side, rng)
        line = rng.choice(lines)
        text, more = said_and_sought(toned(line, side, rng, lead=False))
        yield _row([*before, asked(text)], "goes_on", f"{query} {more}".strip(), "phrasings", (*pieces, line))


def remarks_on_a_recipe(material: Material, side: Side, rng: random.Random) -> Iterator[Row]:
    """What people asked while they cooked; the recipe that answers it is looked up again."""
    fitting = [one for one in material.remarks if one.kind in REMARKS_OF_A_RECIPE]
    for one in rng.sample(fitting, len(fitting)):
        before, query, pieces = earlier_search(material, side, rng)
        yield _row([*before, asked(one.text)], "goes_on", query, one.source, (*pieces, one.key))


def _row(
    conversation: Sequence[BaseMessage], kind: str, query: str, source: str, made_of: tuple[str, ...]
) -> Row:
    said = str(conversation[-1].text)
    return Row(tuple(conversation), thought(kind, said), search(query), source, made_of)
