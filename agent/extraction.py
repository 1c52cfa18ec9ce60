"""Extractive answers, for the smallest models: they say what was found, word for word.

After a search the model chooses which of the recipes answers the question, and can write nothing but that
recipe, or the part of it that was asked for (agent/focus.py). Where none fits, the nearest is named as such.
After a summary it says the summary.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from agent.focus import Focus, focus
from agent.folding import is_long
from agent.grounding import WORD
from agent.react import THOUGHT
from prompts import fill, prompt
from tools.citations import hit_numbers, this_turn
from tools.filters import fold
from tools.index import Hit
from tools.search import dish_words, estimate_tokens, split_query
from tools.sentences import sentences
from tools.summarize import Summary
from tools.untrusted import neutralise

_PARAGRAPH_STEPS = 2  # so few steps are paragraphs, which read better as sentences
# Of a request: for when, for whom, how much, what meal. No recipe is another one for want of these words.
_OCCASION = """
    afternoon all bag bags birthday box boxes bunch bunches child children classic couple dad day days
    dinner dish dishes dozen easier easy evening everybody everyone family fashioned father few food
    friday friend friends gram grams grandma guest guests half home homemade hour hours husband jar jars
    kg kid kids kilo kilos least leftover leftovers liter liters litre litres lunch meal meals minute
    minutes mom monday morning most mother night old ounce ounces pack packs party people person persons
    plenty pound pounds quick quicker saturday scratch simple something sunday supper take takes thing
    things thursday traditional tuesday use used uses using wednesday week weekend wife
"""
_OF_THE_OCCASION = frozenset(_OCCASION.split())


@dataclass(frozen=True)
class Found:
    """A result that an answer may be made of, and the thought that leads to it."""

    thought: str
    answer: str


@dataclass(frozen=True)
class Asked:
    """What was searched for, and the question that it was searched for."""

    query: str
    question: str = ""

    def part_of(self, hit: Hit) -> Focus | None:
        """The part of a recipe that the question asks for; None where that is all of it."""
        return focus(self.question, hit.recipe) if hit.recipe is not None else None


def found(messages: Sequence[BaseMessage], max_tokens: int) -> list[Found]:
    """What the last tool result of this turn offers, each in about `max_tokens`; empty if nothing."""
    results = [message for message in this_turn(messages) if isinstance(message, ToolMessage)]
    if not results or results[-1].status == "error":
        return []
    artifact = results[-1].artifact
    if isinstance(artifact, Summary) and artifact.text:
        return [Found(_words()["summary"], neutralise(artifact.text))]
    if isinstance(artifact, list):
        hits = [hit for hit in artifact if isinstance(hit, Hit)]
        asked = Asked(_query(messages), _question(messages))
        number, choice = hit_numbers(messages), _choice(_spoken_of(messages, hits, asked), asked.query)
        return [offer(hit, number[hit.uid], asked, max_tokens) for hit in choice]
    return []


def _question(messages: Sequence[BaseMessage]) -> str:
    """The user's last message, where it is no long text."""
    said = [str(m.text) for m in this_turn(messages) if isinstance(m, HumanMessage)]
    return said[-1] if said and not is_long(said[-1]) else ""


def _spoken_of(messages: Sequence[BaseMessage], hits: Sequence[Hit], asked: "Asked") -> Sequence[Hit]:
    """The hit that the turn before answered with, where the question asks for a part of it; else all."""
    before = messages[: len(messages) - len(this_turn(messages))]
    answers = [str(m.text) for m in before if isinstance(m, AIMessage) and not m.tool_calls]
    told = [hit for hit in hits if answers and f"{_line(hit.name)} [" in answers[-1] and asked.part_of(hit)]
    return told or hits


def _query(messages: Sequence[BaseMessage]) -> str:
    """What the last call of this turn searched for."""
    calls = [call for m in this_turn(messages) if isinstance(m, AIMessage) for call in m.tool_calls]
    return str(calls[-1]["args"].get("query", "")) if calls else ""


def _choice(hits: Sequence[Hit], query: str) -> Sequence[Hit]:
    """The hits that may answer a query: of those that fit it the ones named so, else the nearest alone."""
    if fitting := [hit for hit in hits if _fits(hit, query)]:
        return _named(fitting, query)
    asked = _asked(query)
    return [max(hits, key=lambda hit: len(asked & _stems(hit.text)))] if hits else []


def _named(hits: Sequence[Hit], query: str) -> Sequence[Hit]:
    """The hits called what was asked for, else those sharing most of its words, else all.

    Of several words they must share two: one may be any ingredient.
    """
    whole, asked = _stems(split_query(query)[0]), _asked(query)
    if whole and (exact := [hit for hit in hits if _stems(hit.name) == whole]):
        return exact
    shared = [len(asked & _stems(hit.name)) for hit in hits]
    most = max(shared, default=0)
    if most < min(2, len(asked)):
        return hits
    return [hit for hit, count in zip(hits, shared, strict=True) if count == most]


def _fits(hit: Hit, query: str) -> bool:
    """Whether a recipe speaks of most of what was asked for; a search always finds something.

    "Beef rendang" is no beef stew. But where every word of a recipe's name was asked for, the other words may
    say how or when: "a classic Caesar salad for tonight".
    """
    asked, named = _asked(query), _stems(hit.name)
    most = len(asked & _stems(hit.text)) * 2 > len(asked)
    return most or not asked or (bool(named) and named <= asked)


def _asked(query: str) -> set[str]:
    """The stems of the words that say what is to be cooked."""
    return _stems(" ".join(dish_words(split_query(query)[0]) - _OF_THE_OCCASION))


def _stems(text: str) -> set[str]:
    """Words without case, accents and plural, short ones left out.

    >>> sorted(_stems("Lentil curries with a Bun"))
    ['bun', 'curri', 'lentil', 'with']
    """
    words = (word for word in WORD.findall(fold(text)) if len(word) > 2)
    return set(_stemmer().stemWords(list(words)))


@cache
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")


def grounded_step(offered: Sequence[Found]) -> str:
    """The grammar of the thought that chooses one of what was found."""
    choices = [json.dumps(f"{THOUGHT} {one.thought}", ensure_ascii=False) for one in offered]
    return "%llguidance {}\nstart: " + " | ".join(choices)


def _words() -> dict[str, str]:
    """The few words around what was found, from prompts/grounded.txt."""
    return dict(line.split(": ", 1) for line in prompt("grounded").split("\n"))


def offer(hit: Hit, number: int, asked: Asked, max_tokens: int) -> Found:
    """A hit as an answer of about `max_tokens`: what of it was asked for, under its name and number."""
    words = _words()
    heading = f"{_line(hit.name)} [{number}]"
    if not _fits(hit, asked.query):
        heading = f"{fill(words['nearest'], query=_line(asked.query))}\n\n{heading}"
    thought = fill(words["recipe"], name=_line(hit.name))
    return Found(thought, _fitting([heading, *_lines(hit, asked.part_of(hit), words)], max_tokens))


def _lines(hit: Hit, part: Focus | None, words: Mapping[str, str]) -> list[str]:
    if hit.recipe is None:
        return ["", *map(_line, hit.text.split("\n"))]
    if part is not None:
        return ["", *(f"- {_line(one)}" for one in (*part.ingredients, *part.steps))]
    steps = list(hit.recipe.steps)
    if len(steps) <= _PARAGRAPH_STEPS:
        steps = [sentence for step in steps for sentence in sentences(step)]
    lines = ["", words["ingredients"], *(f"- {_line(one)}" for one in hit.recipe.ingredients)]
    return [*lines, "", words["steps"], *(f"{n}. {_line(step)}" for n, step in enumerate(steps, start=1))]


def _fitting(lines: Sequence[str], max_tokens: int) -> str:
    """As many of the lines as fit, and a mark where some did not."""
    kept: list[str] = []
    for line in lines:
        if estimate_tokens("\n".join([*kept, line])) > max_tokens:
            return "\n".join([*kept, "..."])
        kept.append(line)
    return "\n".join(kept).strip()


def _line(text: str) -> str:
    return " ".join(neutralise(text).split())
