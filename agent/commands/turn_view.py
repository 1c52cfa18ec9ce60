"""Show a turn as it happens: steps dimmed on stderr, the answer and its sources on stdout."""

from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from agent.events import Answering, Calling, Event, Finished, Observed, Thinking, Turn

_WORKING = "Thinking ..."


class TurnView:
    """Prints the events of one turn; `quiet` prints nothing, `trace` every step in full."""

    def __init__(self, *, quiet: bool = False, trace: bool = False) -> None:
        self.turn: Turn
        self._quiet, self._trace = quiet, trace
        self._out = Console(highlight=False, soft_wrap=True)
        self._steps = Console(stderr=True, highlight=False, soft_wrap=True)
        self._status = self._steps.status(_WORKING) if self._steps.is_terminal and not quiet else None
        self._called: Calling | None = None
        self._thought = ""

    def __enter__(self) -> "TurnView":
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._status:
            self._status.stop()

    def show(self, event: Event) -> None:
        """Print what an event has to show."""
        if isinstance(event, Finished):
            self.turn = event.turn
            if not self._quiet:
                self._finish(event.turn)
        elif isinstance(event, Thinking):
            self._thought += event.text
        elif isinstance(event, Calling):
            self._called = event
        elif not self._quiet and isinstance(event, Observed):
            self._show_step(event)
        elif not self._quiet and isinstance(event, Answering):
            self._show_answer(event)

    def _show_step(self, event: Observed) -> None:
        if self._trace:
            self._dim(f"Thought: {self._thought.strip()}")
            args = dict(self._called.args) if self._called else {}
            self._dim(f"{event.tool} {args}\n{event.text}\n")
        else:
            self._dim(folded(self._called, event))
        self._thought = ""

    def _show_answer(self, event: Answering) -> None:
        if self._status:  # what is being written is progress enough
            self._status.stop()
            self._status = None
        if self._trace and self._thought:
            self._dim(f"Thought: {self._thought.strip()}\n")
            self._thought = ""
        self._out.print(Text(printable(event.text)), end="")

    def _finish(self, turn: Turn) -> None:
        self._out.print()
        if turn.sources:
            self._out.print()
            self._out.print("[bold]Recipes found[/bold]")
            for number, source in enumerate(turn.sources, start=1):
                name, uid = escape(printable(source.name)), escape(printable(source.uid))
                self._out.print(f"\\[{number}] {name} [dim]({uid})[/dim]")

    def _dim(self, text: str) -> None:
        self._steps.print(Text(printable(text), style="dim"))


def folded(called: Calling | None, event: Observed) -> str:
    """A step in one line.

    >>> folded(Calling("recipe_search", {"query": "pie"}), Observed("recipe_search", "", False, 0.012, 3))
    'searched recipes: pie, 3 found, 12 ms'
    """
    what = {"recipe_search": "searched recipes", "summarize": "summarized"}.get(event.tool, event.tool)
    words = ", ".join(str(value) for value in (called.args.values() if called else ()))
    found = "" if event.found is None else f", {event.found} found"
    failed = " (failed)" if event.error else ""
    return f"{what}: {words}{found}, {event.seconds * 1000:.0f} ms{failed}"


def printable(text: str) -> str:
    """Without the control characters that would move the cursor or colour the terminal."""
    return "".join(c for c in text if c in "\n\t" or c.isprintable() or c in "\u200d\ufe0f")
