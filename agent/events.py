"""What happens in a turn, as values that every reader (terminal, REPL, tests, JSON) uses."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

ExitReason = Literal["answer", "step_limit", "time_limit", "error"]


@dataclass(frozen=True)
class Thinking:
    """A piece of a thought."""

    text: str


@dataclass(frozen=True)
class Calling:
    """A tool is about to run."""

    tool: str
    args: Mapping[str, Any]


@dataclass(frozen=True)
class Observed:
    """A tool has run; `found` counts its hits, where it is a search."""

    tool: str
    text: str
    error: bool
    seconds: float
    found: int | None = None


@dataclass(frozen=True)
class Answering:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True)
class StepRecord:
    """One tool call of a finished turn."""

    thought: str
    tool: str
    args: Mapping[str, Any]
    observation: str
    error: bool


@dataclass(frozen=True)
class Source:
    """A recipe that a search of this turn found."""

    uid: str
    name: str
    score: float


@dataclass(frozen=True)
class Timing:
    """Seconds: the whole turn, inside the engine, inside tools, until the first streamed piece."""

    total: float
    model: float
    tools: float
    first_token: float


@dataclass(frozen=True)
class Turn:
    """A finished turn, in the form that `souschef ask --json` prints."""

    question: str
    answer: str
    steps: tuple[StepRecord, ...]
    sources: tuple[Source, ...]
    exit_reason: ExitReason
    input_tokens: int
    output_tokens: int
    timing: Timing
    model: str
    hits: tuple[Any, ...] = field(default=(), repr=False, compare=False)  # the passages behind `sources`

    @property
    def route(self) -> str:
        """The first tool called, or "direct"."""
        return self.steps[0].tool if self.steps else "direct"

    def to_dict(self) -> dict[str, Any]:
        """The object that `souschef ask --json` prints."""
        return {
            "question": self.question,
            "answer": self.answer,
            "route": self.route,
            "steps": [asdict(step) for step in self.steps],
            "sources": [asdict(source) for source in self.sources],
            "exit_reason": self.exit_reason,
            "usage": {"input_tokens": self.input_tokens, "output_tokens": self.output_tokens},
            "timing_s": asdict(self.timing),
            "model": self.model,
        }


@dataclass(frozen=True)
class Finished:
    """The turn is over."""

    turn: Turn


Event = Thinking | Calling | Observed | Answering | Finished
