"""What an engine is: messages in, text out, and nothing else.

An engine streams tokens, obeys a grammar where it can, stops when told, and counts tokens. It knows nothing
of thoughts, tools or recipes. A new engine is a class with these members and one line in `load_engine`.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Literal, Protocol, TypedDict

FinishReason = Literal["stop", "length", "cancelled"]


class Message(TypedDict):
    """One turn of a conversation, before the model's chat template is applied."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Decoding:
    """How to choose the next tokens. Temperature 0 is greedy; `grammar` is llguidance's Lark dialect.

    `adapter` names one of the engine's `adapters`, which is then on for this text; without a name none is.
    """

    max_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    grammar: str | None = None
    adapter: str = ""


@dataclass(frozen=True)
class Usage:
    """The last item of a stream: tokens read and written, and why the text ended."""

    input_tokens: int
    output_tokens: int
    finish_reason: FinishReason


class Engine(Protocol):
    """A language model that turns messages into text."""

    name: str
    context_tokens: int  # what prompt and answer may take together
    obeys_grammar: bool  # where it does not, `Decoding.grammar` is passed over
    adapters: frozenset[str]  # the names that `Decoding.adapter` may take
    adapter_files: tuple[Path, ...]  # the weights of all that it was given, those that are always on first

    def stream(
        self, messages: Sequence[Message], decoding: Decoding, cancelled: Event | None = None
    ) -> Generator[str | Usage, None, None]:
        """Yield pieces of text as they are produced, then one Usage.

        Setting `cancelled` ends the stream within 300 ms with finish_reason "cancelled"; closing the iterator
        does the same without a Usage. Text that a stop string ends never contains the stop string.
        """
        ...

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens that these messages take with the model's chat template and the opening of the answer."""
        ...

    def close(self) -> None:
        """Give memory and threads back. Calling it twice is harmless."""
        ...
