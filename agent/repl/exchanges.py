"""One question and what came of it, as the chat holds it in memory and the database on disk.

An exchange is never deleted: what was undone or asked again is only no longer `kept`, so that a rating can
still tell two answers apart. Not here: the model's side of it, LangChain messages, which recall.py writes
into `messages` as JSON and reads back.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any, Literal

State = Literal["running", "done", "stopped", "failed"]
Attachments = Sequence[tuple[str, str]]  # (file name, text)

GOOD, UNRATED, BAD = 1, 0, -1


@dataclass(eq=False)
class Exchange:
    """A question, its answer, and how they came about."""

    question: str
    attachments: Attachments = ()
    model: str = ""
    policy: str = ""  # what wrote summaries; the model itself where it is ""
    prompts: str = ""  # the version of the prompts, see `prompt_version`
    settings: dict[str, Any] = field(default_factory=dict)
    asked_at: str = ""
    state: State = "running"
    answer: str = ""
    turn: dict[str, Any] | None = None  # what `souschef ask --json` prints
    passages: list[dict[str, Any]] = field(
        default_factory=list
    )  # the sources in full: uid, name, score, text
    messages: str = "[]"
    again: "Exchange | None" = None  # the exchange whose question this one asks again
    kept: bool = True
    rating: int = UNRATED
    note: str = ""
    row: int | None = None  # in the database, once it is there
    saved: bool = False  # whether the database has all of the above

    @property
    def is_summary(self) -> bool:
        """Whether the summarizer alone was asked, without the agent."""
        return bool(self.settings.get("summarizer"))

    @property
    def counts(self) -> bool:
        """Whether the model reads it as a part of the conversation."""
        return self.kept and self.state == "done"

    def change(self, **values: Any) -> None:
        """Set attributes, and note that the database has to hear of it."""
        for name, value in values.items():
            setattr(self, name, value)
        self.saved = False


@cache
def prompt_version() -> str:
    """Twelve characters that change whenever a prompt does: of the sha256 of all files in prompts/."""
    files = [file for file in resources.files("prompts").iterdir() if file.name.endswith(".txt")]
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.name):
        digest.update(f"{file.name}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def now() -> str:
    """The time in UTC, to the millisecond, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
