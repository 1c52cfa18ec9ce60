"""An engine that says what a test wrote down: the one fake of these tests, at the model's boundary.

It streams in small pieces, counts words as tokens, stops when told and at stop strings, and records what it
was sent. It does not obey a grammar; `obeys_grammar` only says how the agent is to treat it.
"""

import re
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from threading import Event

from agent.engines.base import Decoding, FinishReason, Message, Usage
from agent.engines.text import StopFilter

Reply = str | Exception | Callable[[Sequence[Message]], str]


class ScriptedEngine:
    """Replies in turn: a text, an exception to raise, or a function of the messages. The last one repeats."""

    name = "scripted"

    def __init__(
        self,
        *replies: Reply,
        obeys_grammar: bool = True,
        adapters: frozenset[str] = frozenset(),
        adapter_files: tuple[Path, ...] = (),
        context_tokens: int = 4096,
        piece_characters: int = 3,
        pause_s: float = 0.0,
    ) -> None:
        self.replies = replies
        self.obeys_grammar = obeys_grammar
        self.adapters, self.adapter_files = adapters, adapter_files
        self.context_tokens = context_tokens
        self.piece_characters = piece_characters
        self.pause_s = pause_s  # before each piece
        self.sent: list[list[Message]] = []
        self.decodings: list[Decoding] = []
        self.streaming = Event()  # set once a piece was handed out

    def stream(
        self, messages: Sequence[Message], decoding: Decoding, cancelled: Event | None = None
    ) -> Generator[str | Usage, None, None]:
        """Say the next reply, cut where `decoding` says so."""
        cancelled = cancelled or Event()
        self.sent.append(list(messages))
        self.decodings.append(decoding)
        whole = self._stopped(self._reply(messages), decoding)
        text = _first_words(whole, decoding.max_tokens)
        said = 0
        for start in range(0, len(text), self.piece_characters):
            if self.pause_s:
                cancelled.wait(self.pause_s)
            if cancelled.is_set():
                break
            said = start + self.piece_characters
            yield text[start:said]
            self.streaming.set()
        reason: FinishReason = "stop" if text == whole else "length"
        if cancelled.is_set():
            reason = "cancelled"
        yield Usage(self.count_tokens(messages), count_words(text[:said]), reason)

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Words, and one token for each role."""
        return sum(1 + count_words(message["content"]) for message in messages)

    def close(self) -> None:
        """Nothing to give back."""

    def prompt(self, call: int = -1) -> str:
        """What the engine was sent in one call, as one text."""
        return "\n".join(message["content"] for message in self.sent[call])

    def _reply(self, messages: Sequence[Message]) -> str:
        reply = self.replies[min(len(self.sent), len(self.replies)) - 1]
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, str) else reply(messages)

    @staticmethod
    def _stopped(text: str, decoding: Decoding) -> str:
        stop = StopFilter(decoding.stop)
        return stop.feed(text) + stop.flush()


def _first_words(text: str, count: int) -> str:
    ends = [word.end() for word in re.finditer(r"\S+", text)]
    return text[: ends[count - 1]] if len(ends) > count else text


def count_words(text: str) -> int:
    """Words, which this engine takes for tokens."""
    return len(text.split())


def answer(text: str, thought: str = "I can reply") -> str:
    """A last step."""
    return f"Thought: {thought}\nFinal Answer: {text}"


def call(tool: str, args: str, thought: str = "a tool can help") -> str:
    """A step with a tool call; `args` is JSON."""
    return f"Thought: {thought}\nAction: {tool}\nAction Input: {args}"


def wait_for(event: Event, limit_s: float = 5.0) -> float:
    """Wait until something has happened and say when; it is a failure where it never does."""
    assert event.wait(limit_s)
    return time.perf_counter()
