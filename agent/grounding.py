"""For the smallest models: read the past in brief, search only for what was asked, say only what was found.

Models of 100 million parameters cannot be trusted to retell a recipe: they invent amounts, mix passages and
run on. For them a search query is made of the user's own words, and the answer after a search is extractive
(agent/extraction.py). Larger models write freely, so `build_agent` turns this on for the smallest.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from agent.folding import is_long
from agent.react import ToolSpec
from agent.rendering import attachments, thought_of
from tools.citations import cited_hits, this_turn
from tools.summarize import LEAST_CHARACTERS_OF_A_TEXT
from tools.untrusted import neutralise

_QUESTIONS = 2  # how many of the user's messages a query may take words from
_MOST_WORDS = 60
_MOST_QUERY_WORDS = 12
_MOST_QUERY_BYTES = 120  # and so at most as many tokens: a call must fit into its step
_MOST_WORD_CHARACTERS = 30  # of four bytes each, such a word alone is a query
_LEAST_WORDS_OF_A_TEXT = 15
WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_SHORT_WORDS = {re.compile(r"\bw/o\b"): "without", re.compile(r"\bw/"): "with "}


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
    words = [word for text in said if not is_long(text) for word in WORD.findall(_in_full(neutralise(text)))]
    cut = [word[:_MOST_WORD_CHARACTERS].rstrip("'’-") for word in words[-_MOST_WORDS:]]
    either = dict.fromkeys(form for word in cut for form in (word, word.lower()))
    first = [*([last] if last else []), *either]
    if not first:
        return list(specs)
    widest = max(len(character.encode()) for word in first for character in word)
    more = f"( ({'|'.join(either)})){{0,{_MOST_QUERY_WORDS - 1}}}" if either else ""
    pattern = f"^({'|'.join(first)}){more}$"
    return [_with_pattern(spec, "query", pattern, _MOST_QUERY_BYTES // widest) for spec in specs]


def _in_full(text: str) -> str:
    """The text with "w/" and "w/o" as the words that they stand for."""
    for short, word in _SHORT_WORDS.items():
        text = short.sub(word, text)
    return text


def _last_query(messages: Sequence[BaseMessage]) -> str:
    """What the newest search of the turns that are still shown asked for; empty where there is none."""
    before = messages[: len(messages) - len(this_turn(messages))]
    starts = [n for n, message in enumerate(before) if isinstance(message, HumanMessage)]
    shown = before[starts[-_QUESTIONS:][0] :] if starts else []
    calls = [call for m in shown if isinstance(m, AIMessage) for call in m.tool_calls]
    queries = [str(call["args"]["query"]) for call in calls if "query" in call["args"]]
    return " ".join(WORD.findall(neutralise(queries[-1]))) if queries else ""


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
