"""Rows of the other two routes: texts to summarize, and everything that the agent answers itself.

Near-misses matter most: a question about food that needs no recipe, thanks after a recipe, a wish that no
tool can serve, a text without any request. An answer is short, right as far as its writer knows, and honest
where it cannot be given. Left out: long answers, which a model of this size gets wrong.
"""

import random
from collections.abc import Iterator
from functools import cache

from langchain_core.messages import BaseMessage

from agent.adapters.earlier_turns import earlier_search, earlier_summary, maybe_before, slots_for, slots_of
from agent.adapters.material import Material, Question, Text
from agent.adapters.queries import is_about_meals
from agent.adapters.react_rows import Row, asked, summarize
from agent.adapters.wording import (
    Side,
    pairs,
    phrasings,
    short_key,
    thought,
    toned,
    worded,
)
from agent.folding import is_long
from prompts import fill
from tools.sentences import sentences

_SHORT_WORDS = (40, 150)  # of a text that is shown whole
_NUMBERS = {"first": 1, "second": 2, "third": 3}


# ---- summaries


def summaries(material: Material, side: Side, rng: random.Random) -> Iterator[Row]:
    """A text with a request before or behind it, or with none."""
    while True:
        text = material.any_text(rng)
        said = _cut_short(text.text, rng) if rng.random() < 0.4 else text.text
        if rng.random() < 0.08:
            said = f"{said} {rng.choice(phrasings('hostile'))}"
        where = rng.random()
        line = (
            ""
            if where < 0.18
            else rng.choice(worded(f"summary_{'before' if where < 0.7 else 'after'}", side))
        )
        if line:
            request = toned(line, side, rng, lead=rng.random() < 0.4)
            gap = rng.choice(("\n\n", "\n", " "))
            said = f"{request}{gap}{said}" if where < 0.7 else f"{said}{gap}{request}"
        yield _summary([asked(said)], "message", "message", text, line)


def summaries_of_files(material: Material, side: Side, rng: random.Random) -> Iterator[Row]:
    """An attached file with a short request."""
    while True:
        text, line = material.any_text(rng), rng.choice(worded("summary_file", side))
        said = _cut_short(text.text, rng) if rng.random() < 0.15 else text.text
        question = asked(toned(line, side, rng, lead=rng.random() < 0.4), said)
        yield _summary([question], "file", "file", text, line)


def summaries_of_recipes(material: Material, side: Side, rng: random.Random) -> Iterator[Row]:
    """A recipe that the turn before found."""
    while True:
        before, _, pieces = earlier_search(material, side, rng)
        line = rng.choice(worded("summary_recipe", side))
        nth, number = rng.choice(list(_NUMBERS.items()))
        said = toned(fill(line, nth=nth, number=str(number)), side, rng, lead=False)
        source = f"recipe {number if '{{' in line else 1}"
        step = summarize(source)
        conversation = (*before, asked(said))
        yield Row(conversation, thought("recipe", said), step, "recipes/embedded", (*pieces, line))


def shorter_summaries(material: Material, side: Side, rng: random.Random) -> Iterator[Row]:
    """A text was summarized, and the user wants it shorter: the same text again, not a recipe."""
    lines = [line for line in worded("summary_recipe", side) if "{{" not in line and "recipe" not in line]
    while True:
        before, pieces = earlier_summary(material, rng)
        line = rng.choice(lines)
        said = toned(line, side, rng, lead=False)
        yield Row(
            (*before, asked(said)), thought("again", said), summarize("message"), "phrasings", (*pieces, line)
        )


def _summary(conversation: list[BaseMessage], kind: str, source: str, text: Text, line: str) -> Row:
    pieces = (short_key(text.key), *([line] if line else []))
    said = str(conversation[-1].text)
    return Row(tuple(conversation), thought(kind, said), summarize(source), text.source, pieces)


def _cut_short(text: str, rng: random.Random) -> str:
    """The text's first sentences, as many as a short text has."""
    most = rng.randint(*_SHORT_WORDS)
    kept: list[str] = []
    for sentence in sentences(text):
        if kept and len(" ".join([*kept, sentence]).split()) > most:
            break
        kept.append(sentence)
    short = " ".join(kept)
    return " ".join(short.split()[: _SHORT_WORDS[1] - 20]) if is_long(short) else short


# ---- direct answers


def small_talk(material: Material, side: Side, rng: random.Random) -> Iterator[Row]:
    """Greetings, thanks and other talk, at the beginning or after a recipe."""
    yield from _told("small_talk", "talk", material, side, rng, lead=False)


def kitchen_questions(material: Material, side: Side, rng: random.Random) -> Iterator[Row]:
    """Questions about food and cooking that need no recipe."""
    yield from _told("kitchen_questions", "kitchen", material, side, rng)


def tasks(material: Material, side: Side, rng: random.Random) -> Iterator[Row]:
    """Wishes that no tool serves."""
    yield from _told("tasks", "task", material, side, rng)


def general_questions(material: Material, side: Side, rng: random.Random) -> Iterator[Row]:
    """Questions that have nothing to do with cooking."""
    yield from _told("general_questions", "general", material, side, rng)


def _told(
    name: str, kind: str, material: Material, side: Side, rng: random.Random, *, lead: bool = True
) -> Iterator[Row]:
    """A file of questions and answers again and again, each time in other tones."""
    while True:
        lines = list(pairs(name, side))
        for question, answer in rng.sample(lines, len(lines)):
            before, pieces = maybe_before(material, side, rng, 0.2)
            said = toned(question, side, rng, lead=lead)
            made_of = (*pieces, f"{question} | {answer}")
            yield Row((*before, asked(said)), thought(kind, said), answer, "phrasings", made_of)


def about_food(material: Material, side: Side, rng: random.Random) -> Iterator[Row]:
    """Dishes and ingredients named for other reasons than to cook them: the words alone decide nothing."""
    while True:
        recipe, line = material.any_dish(rng), rng.choice(worded("about_food", side))
        kind, question, answer = line.split(" | ")
        slots = slots_for(recipe, side, rng)
        if slots_of(line) <= slots.keys():
            before, pieces = maybe_before(material, side, rng, 0.15)
            said = toned(fill(question, **slots), side, rng)
            conversation = (*before, asked(said))
            yield Row(
                conversation,
                thought(kind, said),
                fill(answer, **slots),
                "phrasings",
                (*pieces, recipe.uid, line),
            )


def factual(material: Material, side: Side, rng: random.Random) -> Iterator[Row]:
    """Factual questions whose answer is known here, and some whose answer is not."""
    known = answers()
    told = [one for one in material.factual if short_key(one.key) in known]
    untold = [one for one in material.factual if short_key(one.key) not in known]
    some = [*told, *rng.sample(untold, min(len(untold), len(told) // 2 or 1))]
    for one in rng.sample(some, len(some)):
        yield _answered(one, material, side, rng)


def unserved(material: Material, side: Side, rng: random.Random) -> Iterator[Row]:
    """Questions and tasks of other assistants' test sets."""
    for one in rng.sample(material.unserved, len(material.unserved)):
        if not is_about_meals(one.text):
            yield _answered(one, material, side, rng)


def remarks(material: Material, side: Side, rng: random.Random) -> Iterator[Row]:
    """Thanks and goodbyes of people who had been given a recipe."""
    fitting = [one for one in material.remarks if one.kind in ("thank", "thank; goodbye", "confirm; thank")]
    for one in rng.sample(fitting, len(fitting)):
        before, _, pieces = earlier_search(material, side, rng)
        answer = rng.choice(phrasings("thanks"))
        conversation = (*before, asked(one.text))
        yield Row(conversation, thought("talk", one.text), answer, one.source, (*pieces, one.key))


@cache
def answers() -> dict[str, str]:
    """Answers to questions of the sources, by the short key of the question; a line is "key answer"."""
    divided = (line.partition(" ") for line in phrasings("answers"))
    return {key: answer for key, _, answer in divided}


def _answered(one: Question, material: Material, side: Side, rng: random.Random) -> Row:
    before, pieces = maybe_before(material, side, rng, 0.05)
    said = toned(one.text, side, rng) if rng.random() < 0.4 else one.text
    answer = answers().get(short_key(one.key)) or rng.choice(phrasings("unsure"))
    kind = "task" if answer.startswith("I cannot") else "general"
    return Row((*before, asked(said)), thought(kind, said), answer, one.source, (*pieces, one.key))
