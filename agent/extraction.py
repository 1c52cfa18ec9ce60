"""Extractive answers, for the smallest models: they say what was found, word for word.

After a search the model chooses which of the recipes answers the question, and can write nothing but that
recipe, or the part of it that was asked for (agent/focus.py). Where none fits, the nearest is named as such.
After a summary it says the summary.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from agent.choice import choose, fits
from agent.focus import Focus, focus
from agent.folding import is_long
from agent.react import THOUGHT
from prompts import fill, prompt
from tools.citations import hit_numbers, this_turn
from tools.index import Hit
from tools.search import estimate_tokens
from tools.sentences import sentences
from tools.summarize import Summary
from tools.untrusted import neutralise

_PARAGRAPH_STEPS = 2  # so few steps are paragraphs, which read better as sentences


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
        number, choice = (
            hit_numbers(messages),
            choose(_spoken_of(messages, hits, asked), asked.query, asked.question),
        )
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


def grounded_step(offered: Sequence[Found]) -> str:
    """The grammar of the thought that chooses one of what was found."""
    choices = [json.dumps(f"{THOUGHT} {one.thought}", ensure_ascii=False) for one in offered]
    return "%llguidance {}\nstart: " + " | ".join(choices)


def _words() -> dict[str, str]:
    """The few words around what was found, from prompts/grounded.txt."""
    return dict(line.split(": ", 1) for line in prompt("grounded").split("\n"))


def offer(hit: Hit, number: int, asked: Asked, max_tokens: int) -> Found:
    """A hit as an answer of about `max_tokens`: what of it was asked for, under its name and number."""
    words, named = _words(), by_name(hit, number)
    heading = named.answer
    if not fits(hit, asked.query, asked.question):
        heading = f"{fill(words['nearest'], query=_line(asked.query))}\n\n{heading}"
    return Found(named.thought, _fitting([heading, *_lines(hit, asked.part_of(hit), words)], max_tokens))


def by_name(hit: Hit, number: int) -> Found:
    """The thought that leads to a hit, and the line that an answer made of it begins with."""
    return Found(fill(_words()["recipe"], name=_line(hit.name)), f"{_line(hit.name)} [{number}]")


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
