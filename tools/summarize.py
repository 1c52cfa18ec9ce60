"""Summarize texts of any length, and the tool that lets a model ask for it by reference.

A text longer than the policy's limit is split on sentence boundaries, each part is summarized, and then the
summaries together, until one is left. The model that calls the tool never copies the text: it names the
user's message, the attached file or a recipe that was found. What writes the summary is a `Policy`.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from langgraph.prebuilt import InjectedState
from pydantic import BaseModel, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from prompts import prompt
from tools.citations import cited_hits
from tools.errors import UsageError
from tools.sentences import parts
from tools.untrusted import neutralise

MAX_ROUNDS = 6  # each shortens the text at least fourfold, so this is far beyond any real text
_SOURCE = "^(message|file|recipe [1-9][0-9]?)$"
_LEAST_WORDS_OF_A_TEXT = 25  # fewer is no text to summarize but a reference gone wrong
LEAST_CHARACTERS_OF_A_TEXT = 200  # where there are few spaces or none, as in Chinese


class Policy(Protocol):
    """A language model that writes summaries; it puts a text into its own prompt."""

    name: str
    max_text_tokens: int  # the longest text it reads at once

    def count_tokens(self, text: str) -> int:
        """Tokens of a text."""
        ...

    def write(self, text: str) -> str:
        """A summary of a text of at most `max_text_tokens`."""
        ...


_parts_read: ContextVar[list[str] | None] = ContextVar("parts_read", default=None)


@contextmanager
def noting_parts(parts: list[str]) -> Iterator[None]:
    """Inside the block, add the summary of each part of a text to `parts`, which outlives a stopped turn."""
    before = _parts_read.set(parts)
    try:
        yield
    finally:
        _parts_read.reset(before)


@dataclass(frozen=True)
class Summary:
    """A summary and what it took: the text's tokens, and how many parts the policy read."""

    text: str
    policy: str
    input_tokens: int
    chunks: int


def summarize(text: str, policy: Policy, on_part: Callable[[int, int], None] | None = None) -> Summary:
    """Summarize a text; `on_part(done, known)` hears of each part that was read.

    Raises UsageError where there is no text.
    """
    text = neutralise(text).strip()
    if not text:
        raise UsageError("There is no text to summarize: give a file or a text that is not empty.")
    input_tokens, read = policy.count_tokens(text), 0
    noted = _parts_read.get()
    for _ in range(MAX_ROUNDS):
        pieces = _pieces(text, policy)
        written = []
        for piece in pieces:
            written.append(policy.write(piece).strip())
            read += 1
            if noted is not None:
                noted.append(written[-1])
            if on_part:
                on_part(read, read + len(pieces) - len(written))
        text, noted = " ".join(filter(None, written)), None  # later rounds say the same again in short
        if len(pieces) == 1 or not text:
            break
    return Summary(text, policy.name, input_tokens, read)


def _pieces(text: str, policy: Policy) -> list[str]:
    """Parts that the policy can read. Counting each sentence is slow, so lengths stand for tokens first."""
    limit, count = policy.max_text_tokens, policy.count_tokens
    tokens = count(text)
    if tokens <= limit:
        return [text]
    rate = tokens / len(text)
    rough = parts(text, limit, lambda piece: math.ceil(len(piece) * rate))
    return [
        piece for part in rough for piece in ([part] if count(part) <= limit else parts(part, limit, count))
    ]


class Source(str):
    """A string that a model may only fill with a reference: the JSON schema says so, validation does not."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler(str)

    @classmethod
    def __get_pydantic_json_schema__(cls, _: CoreSchema, __: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": _SOURCE}


class SummarizeInput(BaseModel):
    """What the model fills in. A Python caller may pass a text itself as the source."""

    source: Annotated[Source, Field(description=prompt("summarize_source"), min_length=1)]
    state: Annotated[dict[str, Any] | None, InjectedState] = None


def summarize_tool(policy: Policy) -> BaseTool:
    """The tool. In an agent its source is looked up in the conversation; elsewhere it is the text itself."""

    def run(source: str, state: dict[str, Any] | None = None) -> tuple[str, Summary]:
        summary = summarize(_text_of(source, (state or {}).get("messages", [])), policy)
        return summary.text or prompt("no_summary"), summary

    return StructuredTool.from_function(
        run,
        name="summarize",
        description=prompt("summarize_tool"),
        args_schema=SummarizeInput,
        response_format="content_and_artifact",
        handle_tool_error=True,
    )


def _text_of(source: str, messages: Sequence[BaseMessage]) -> str:
    """The text that a source means; ToolException, which the model reads, where there is none."""
    reference = re.fullmatch(_SOURCE, source.strip())
    if reference is None:
        if _is_text(source) or not messages:
            return source
        raise ToolException(f'There is no text called "{source[:40]}": use {prompt("summarize_source")}.')
    found = _SOURCES[reference[1].split(" ")[0]](messages, reference[1])
    if not found:
        raise ToolException(f"There is no {reference[1]} here: use {prompt('summarize_source')}.")
    return found


def _is_text(said: str) -> bool:
    return len(said.split()) >= _LEAST_WORDS_OF_A_TEXT or len(said) >= LEAST_CHARACTERS_OF_A_TEXT


def _message(messages: Sequence[BaseMessage], reference: str) -> str:
    """The newest message of the user that is a text rather than a request, else what they attached."""
    said = [str(message.text) for message in messages if isinstance(message, HumanMessage)]
    texts = [text for text in said if _is_text(text)]
    return texts[-1] if texts else _file(messages, reference) or (said or [""])[-1]


def _file(messages: Sequence[BaseMessage], _: str) -> str:
    blocks = [
        block
        for message in messages
        if isinstance(message, HumanMessage) and isinstance(message.content, list)
        for block in message.content
    ]
    files = [b["text"] for b in blocks if isinstance(b, dict) and b.get("type") == "text-plain"]
    return str(files[-1]) if files else ""


def _recipe(messages: Sequence[BaseMessage], reference: str) -> str:
    hits, number = cited_hits(messages), int(reference.split(" ")[1])
    return hits[number - 1].text if number <= len(hits) else ""


_SOURCES: Mapping[str, Callable[[Sequence[BaseMessage], str], str]] = {
    "message": _message,
    "file": _file,
    "recipe": _recipe,
}
