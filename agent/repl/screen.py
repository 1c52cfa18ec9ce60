"""What a chat shows on a terminal: steps folded into dimmed lines, the answer as it streams, its sources.

On a terminal Markdown is laid out and a quiet line tells what is being waited for. Plain means the text as it
is, without colours, layout or movement. Where output goes to a file, steps and hints go to stderr.
"""

from rich.console import Console
from rich.status import Status
from rich.text import Text

from agent.commands.turn_view import folded, printable
from agent.events import Answering, Calling, Event, Finished, Observed, Thinking, Turn
from agent.repl.chat import Markdown
from agent.repl.markdown import MarkdownStream

MOST_SOURCES = 5  # listed under an answer; /sources lists all


class Screen:
    """A `View` on the terminal, or in plain text."""

    def __init__(self, *, plain: bool, out: Console | None = None, steps: Console | None = None) -> None:
        self.plain = plain
        self.trace = False
        self._out = out or _console(plain)
        self._steps = steps or (self._out if self._out.is_terminal else _console(plain, stderr=True))
        self._status: Status | None = None
        self._stream: MarkdownStream | None = None
        self._called: Calling | None = None
        self._thought, self._answering, self._line_open = "", False, False

    # ---- what commands say

    def say(self, text: str) -> None:
        """What a command has to say."""
        if isinstance(text, Markdown) and not self.plain:
            stream = self._markdown()
            stream.feed(printable(text))
            stream.finish()
        else:
            self._print(printable(text))

    def problem(self, sentence: str) -> None:
        """What went wrong and how to mend it."""
        self._print_step(sentence, "red")

    def hint(self, text: str) -> None:
        """Something that may be passed over."""
        self._print_step(text, "dim")

    # ---- a turn

    def begin(self, waiting: str) -> None:
        """A question begins."""
        self._called, self._thought, self._answering = None, "", False
        self._stream = None if self.plain else self._markdown()
        self.waiting(waiting)

    def waiting(self, text: str) -> None:
        """Show what is being waited for, on terminals only."""
        if self.plain or not self._out.is_terminal or self._answering:
            return
        shown = Text(printable(text), style="dim", no_wrap=True, overflow="ellipsis")
        shown.truncate(max(8, self._out.width - 3), overflow="ellipsis")
        if self._status is None:
            self._status = self._out.status(shown, spinner_style="dim")
            self._status.start()
        else:
            self._status.update(shown)

    def show(self, event: Event) -> None:
        """An event of the turn."""
        if isinstance(event, Thinking):
            self._thought += event.text
            self.waiting(self._thought.strip() or "Thinking ...")
        elif isinstance(event, Calling):
            self._called = event
            self.waiting(_doing(event))
        elif isinstance(event, Observed):
            self._show_step(event)
            self.waiting("Thinking ...")
        elif isinstance(event, Answering):
            self._show_answer(event.text)
        elif isinstance(event, Finished):
            self._show_sources(event.turn)

    def end(self, stopped: bool) -> None:
        """The question is over."""
        self._still()
        self._finish_answer()
        if stopped:
            self.hint("[stopped]")
        if not self.plain:
            self._out.print()

    def _show_step(self, event: Observed) -> None:
        self._still()
        if not self.trace:
            self._dim(folded(self._called, event), fold=True)
        else:
            self._show_thought()
            args = dict(self._called.args) if self._called else {}
            self._dim(f"{event.tool} {args}\n{event.text}\n")
        self._thought = ""

    def _show_thought(self) -> None:
        if self._thought.strip():
            self._dim(f"Thought: {self._thought.strip()}")
        self._thought = ""

    def _show_answer(self, text: str) -> None:
        if not self._answering:
            self._still()
            if self.trace:
                self._show_thought()
        self._answering = self._line_open = True
        if self._stream:
            self._stream.feed(printable(text))
        else:
            self._out.print(Text(printable(text)), end="")

    def _finish_answer(self) -> None:
        if not self._line_open:
            return
        self._line_open = False
        if self._stream:
            self._stream.finish()
        else:
            self._out.print()

    def _show_sources(self, turn: Turn) -> None:
        self._finish_answer()
        if turn.sources:
            self._out.print()
        for number, source in enumerate(turn.sources[:MOST_SOURCES], start=1):
            self._dim_out(f"[{number}] {source.name} ({source.uid})")
        if len(turn.sources) > MOST_SOURCES:
            self._dim_out(f"and {len(turn.sources) - MOST_SOURCES} more: /sources")

    # ---- drawing

    def _markdown(self) -> MarkdownStream:
        return MarkdownStream(self._draw, lambda: self._out.width)

    def _draw(self, text: str, style: str) -> None:
        if text:
            self._out.print(Text(text, style=style), end="")

    def _still(self) -> None:
        if self._status:
            self._status.stop()
            self._status = None

    def _print_step(self, text: str, style: str) -> None:
        shown = Text(printable(text), style="" if self.plain else style)
        self._steps.print(shown, soft_wrap=self.plain)  # else lines break between words

    def _print(self, text: str) -> None:
        self._out.print(Text(text), soft_wrap=self.plain)

    def _dim(self, text: str, *, fold: bool = False) -> None:
        shown = Text(printable(text), style="" if self.plain else "dim")
        if fold and not self.plain and self._steps.is_terminal:
            shown.truncate(max(8, self._steps.width - 1), overflow="ellipsis")
        self._steps.print(shown)

    def _dim_out(self, text: str) -> None:
        self._out.print(Text(printable(text), style="" if self.plain else "dim"))


def _console(plain: bool, *, stderr: bool = False) -> Console:
    return Console(
        color_system=None if plain else "auto", stderr=stderr, highlight=False, soft_wrap=True, markup=False
    )


def _doing(called: Calling) -> str:
    doing = {"recipe_search": "Searching", "summarize": "Reading"}.get(called.tool, called.tool)
    return f"{doing}: {', '.join(map(str, called.args.values()))} ..."
