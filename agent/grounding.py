"""For the smallest models: search only for what was asked, and say only what was found.

Models of 100 million parameters cannot be trusted to retell a recipe: they invent amounts, mix passages and
run on. For them a search query is made of the user's own words, and the answer after a search is extractive:
the model chooses which of the recipes answers the question, and can write nothing but that recipe. After a
summary it says the summary. Larger models write freely, so `build_agent` turns this on for the smallest.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from agent.folding import is_long
from agent.react import THOUGHT, ToolSpec
from agent.rendering import attachments, thought_of
from prompts import fill, prompt
from tools.citations import cited_hits, hit_numbers, this_turn
from tools.filters import fold
from tools.index import Hit
from tools.search import dish_words, estimate_tokens, split_query
from tools.sentences import sentences
from tools.summarize import LEAST_CHARACTERS_OF_A_TEXT, Summary
from tools.untrusted import neutralise

_QUESTIONS = 2  # how many of the user's messages a query may take words from
_MOST_WORDS = 60
_MOST_QUERY_WORDS = 12
_MOST_QUERY_BYTES = 120  # and so at most as many tokens: a call must fit into its step
_MOST_WORD_CHARACTERS = 30  # of four bytes each, such a word alone is a query
_LEAST_WORDS_OF_A_TEXT = 15
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
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


def found(messages: Sequence[BaseMessage], max_tokens: int) -> list[Found]:
    """What the last tool result of this turn offers, each in about `max_tokens`; empty if nothing."""
    results = [message for message in this_turn(messages) if isinstance(message, ToolMessage)]
    if not results or results[-1].status == "error":
        return []
    artifact = results[-1].artifact
    words = _words()
    if isinstance(artifact, Summary) and artifact.text:
        return [Found(words["summary"], neutralise(artifact.text))]
    if isinstance(artifact, list):
        hits = [hit for hit in artifact if isinstance(hit, Hit)]
        number, query = hit_numbers(messages), _query(messages)
        return [_recipe(hit, number[hit.uid], query, words, max_tokens) for hit in _choice(hits, query)]
    return []


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
    words = (word for word in _WORD.findall(fold(text)) if len(word) > 2)
    return set(_stemmer().stemWords(list(words)))


@cache
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")


def in_brief(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The conversation with each earlier turn cut to its question and the step that it led to.

    So the past looks like the examples in the prompt; whole answers would be copied into the next one.
    """
    now = this_turn(messages)
    before = messages[: len(messages) - len(now)]
    brief: list[BaseMessage] = [m for m in before if isinstance(m, SystemMessage)]
    past = [m for m in before if not isinstance(m, SystemMessage)]
    asked = [n for n, message in enumerate(past) if isinstance(message, HumanMessage)][-_QUESTIONS:]
    for n in asked:
        brief += [past[n], *(_first_line(m) for m in past[n + 1 : n + 2] if isinstance(m, AIMessage))]
    return [*brief, *now]


def _first_line(message: AIMessage) -> AIMessage:
    if message.tool_calls:
        return message
    thought = {"type": "reasoning", "reasoning": thought_of(message)}
    return AIMessage([thought, {"type": "text", "text": message.text.strip().partition("\n")[0]}])


def applicable(specs: Sequence[ToolSpec], messages: Sequence[BaseMessage]) -> list[ToolSpec]:
    """The tools with each `source` argument bound to the texts there are; without those tools if none is."""
    texts = [name for message in messages for name in _texts_in(message)]
    texts += [f"recipe {number}" for number, _ in enumerate(cited_hits(messages), start=1)]
    sources = "|".join(dict.fromkeys(texts))
    if sources:
        return [_with_pattern(spec, "source", f"^({sources})$") for spec in specs]
    return [spec for spec in specs if "source" not in spec.parameters.get("properties", {})] or list(specs)


def _texts_in(message: BaseMessage) -> list[str]:
    """The references by which summarize knows what a user's message carries."""
    if not isinstance(message, HumanMessage):
        return []
    words, characters = len(message.text.split()), len(message.text)
    is_text = words >= _LEAST_WORDS_OF_A_TEXT or characters >= LEAST_CHARACTERS_OF_A_TEXT
    return [*(["message"] if is_text else []), *(["file"] if attachments(message) else [])]


def own_words(specs: Sequence[ToolSpec], messages: Sequence[BaseMessage]) -> list[ToolSpec]:
    """The tools with each `query` argument bound to words that the user wrote, now or shortly before.

    A query that goes on with the last one, as for "and without eggs?", begins with all of it: the smallest
    models forget a half of it otherwise.
    """
    last = _last_query(messages)
    said = [str(m.text) for m in messages if isinstance(m, HumanMessage)][-1 if last else -_QUESTIONS :]
    words = [word for text in said if not is_long(text) for word in _WORD.findall(neutralise(text))]
    cut = [word[:_MOST_WORD_CHARACTERS].rstrip("'’-") for word in words[-_MOST_WORDS:]]
    either = dict.fromkeys(form for word in cut for form in (word, word.lower()))
    first = [*([last] if last else []), *either]
    if not first:
        return list(specs)
    widest = max(len(character.encode()) for word in first for character in word)
    more = f"( ({'|'.join(either)})){{0,{_MOST_QUERY_WORDS - 1}}}" if either else ""
    pattern = f"^({'|'.join(first)}){more}$"
    return [_with_pattern(spec, "query", pattern, _MOST_QUERY_BYTES // widest) for spec in specs]


def _last_query(messages: Sequence[BaseMessage]) -> str:
    """What the newest search of the turns that are still shown asked for; empty where there is none."""
    before = messages[: len(messages) - len(this_turn(messages))]
    starts = [n for n, message in enumerate(before) if isinstance(message, HumanMessage)]
    shown = before[starts[-_QUESTIONS:][0] :] if starts else []
    calls = [call for m in shown if isinstance(m, AIMessage) for call in m.tool_calls]
    queries = [str(call["args"]["query"]) for call in calls if "query" in call["args"]]
    return " ".join(_WORD.findall(neutralise(queries[-1]))) if queries else ""


def _with_pattern(
    spec: ToolSpec, argument: str, pattern: str, most_characters: int | None = None
) -> ToolSpec:
    properties = spec.parameters.get("properties", {})
    if argument not in properties:
        return spec
    schema = {**properties[argument], "pattern": pattern}
    if most_characters is not None:
        schema["maxLength"] = min(most_characters, schema.get("maxLength", most_characters))
    bound = {**properties, argument: schema}
    return replace(spec, parameters={**spec.parameters, "properties": bound})


def grounded_step(offered: Sequence[Found]) -> str:
    """The grammar of the thought that chooses one of what was found."""
    choices = [json.dumps(f"{THOUGHT} {one.thought}", ensure_ascii=False) for one in offered]
    return "%llguidance {}\nstart: " + " | ".join(choices)


def _words() -> dict[str, str]:
    """The few words around what was found, from prompts/grounded.txt."""
    return dict(line.split(": ", 1) for line in prompt("grounded").split("\n"))


def _recipe(hit: Hit, number: int, query: str, words: dict[str, str], max_tokens: int) -> Found:
    thought = fill(words["recipe"], name=_line(hit.name))
    heading = f"{_line(hit.name)} [{number}]"
    if not _fits(hit, query):
        heading = f"{fill(words['nearest'], query=_line(query))}\n\n{heading}"
    if hit.recipe is None:
        return Found(thought, _fitting([heading, "", *map(_line, hit.text.split("\n"))], max_tokens))
    steps = list(hit.recipe.steps)
    if len(steps) <= _PARAGRAPH_STEPS:
        steps = [sentence for step in steps for sentence in sentences(step)]
    lines = [heading, "", words["ingredients"], *(f"- {_line(one)}" for one in hit.recipe.ingredients)]
    lines += ["", words["steps"], *(f"{n}. {_line(step)}" for n, step in enumerate(steps, start=1))]
    return Found(thought, _fitting(lines, max_tokens))


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
