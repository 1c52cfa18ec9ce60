"""A chat without a keyboard: lines from a pipe, and with --json one event a line on standard output.

A line is a question or a command; a backslash at its end joins the next one. A line that fails is said on
stderr (with --json: as an event), the others still run, and the first failure is the exit code.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any, TextIO

from agent.events import Event, Finished


class JsonView:
    """A `View` that prints each event as a JSON object with its kind under "event"."""

    def __init__(self, out: TextIO) -> None:
        self.trace = False
        self._out = out

    def say(self, text: str) -> None:
        """What a command has to say."""
        self._print("said", text=text)

    def problem(self, sentence: str) -> None:
        """What went wrong."""
        self._print("problem", text=sentence)

    def hint(self, text: str) -> None:
        """Nothing: hints are for people."""

    def begin(self, waiting: str) -> None:
        """Nothing yet."""

    def waiting(self, text: str) -> None:
        """Nothing: scripts wait without being told."""

    def show(self, event: Event) -> None:
        """An event of the turn; the last one holds what `souschef ask --json` prints."""
        if isinstance(event, Finished):
            self._print("finished", turn=event.turn.to_dict())
        else:
            self._print(type(event).__name__.lower(), **asdict(event))

    def end(self, stopped: bool) -> None:
        """The question is over."""
        if stopped:
            self._print("stopped")

    def _print(self, kind: str, **values: Any) -> None:
        self._out.write(json.dumps({"event": kind, **values}, ensure_ascii=False) + "\n")
        self._out.flush()


def joined(lines: Iterable[str]) -> Iterator[str]:
    """Lines of which those that end in a backslash go on in the next one.

    >>> list(joined(["one\\\\\\n", "two\\n", "three"]))
    ['one\\ntwo', 'three']
    """
    begun = ""
    for raw in lines:
        line = raw.rstrip("\r\n")
        if line.endswith("\\"):
            begun += f"{line[:-1]}\n"
            continue
        yield begun + line
        begun = ""
    if begun:
        yield begun.rstrip("\n")
