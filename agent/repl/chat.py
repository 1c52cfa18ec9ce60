"""The state of a chat: what was said, what answers, what is attached, and what waits at the prompt.

Commands read and change it; asking.py runs questions on it. It knows no terminal: what is to be shown goes to
a `View`, which screen.py draws and scripts.py prints as JSON.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Protocol

from agent.events import Event
from agent.repl.exchanges import Attachments, Exchange, now, prompt_version
from agent.repl.interrupts import Interrupt
from agent.repl.loading import Models
from agent.repl.options import Settings
from agent.repl.saving import Saver, SessionName
from tools.errors import SouschefError, UsageError

_LINES_QUOTED = 3  # of a question that may be an article


class Markdown(str):
    """A text whose marks are to be shown as what they mean."""


class View(Protocol):
    """What shows a chat."""

    trace: bool

    def say(self, text: str) -> None:
        """What a command has to say; Markdown is laid out."""
        ...

    def problem(self, sentence: str) -> None:
        """What went wrong and how to mend it."""
        ...

    def hint(self, text: str) -> None:
        """Something that may be passed over."""
        ...

    def begin(self, waiting: str) -> None:
        """A question begins."""
        ...

    def waiting(self, text: str) -> None:
        """What is being waited for, until the next event."""
        ...

    def show(self, event: Event) -> None:
        """An event of the turn."""
        ...

    def end(self, stopped: bool) -> None:
        """The question is over."""
        ...


class Chat:
    """A conversation in a terminal."""

    def __init__(self, models: Models, view: View, saver: Saver, settings: Settings) -> None:
        self.models, self.view, self.saver, self.settings = models, view, saver, settings
        self.interrupt = Interrupt()
        self.session = SessionName(now())
        self.exchanges: list[Exchange] = []
        self.attached: list[tuple[str, str]] = []  # for the next question
        self.draft = ""  # what stands at the next prompt, ready to edit
        self.replaces: Exchange | None = None  # what the draft, once it is answered, takes the place of
        self.is_over = False

    # ---- what was said

    @property
    def kept(self) -> list[Exchange]:
        """The exchanges that the model reads, oldest first."""
        return [exchange for exchange in self.exchanges if exchange.counts]

    def last(self) -> Exchange:
        """The last answer; UsageError where there is none."""
        if not self.kept:
            raise UsageError("Nothing has been answered yet: ask something first.")
        return self.kept[-1]

    def begin(self, question: str, attachments: Attachments, **values: Any) -> Exchange:
        """A new exchange, in the database before anything is done about it."""
        exchange = Exchange(
            question,
            attachments,
            model=self.models.choice.model,
            policy=self.models.choice.policy or "",
            prompts=prompt_version(),
            settings=asdict(self.settings) | {"tools": self.models.choice.tools},
            asked_at=now(),
        )
        exchange.change(**values)
        self.exchanges.append(exchange)
        self.keep()
        return exchange

    def drop(self, exchange: Exchange) -> None:
        """Take an exchange out of the conversation; the database still knows it."""
        exchange.change(kept=False)
        self.keep()

    def keep(self) -> None:
        """Save what is not saved yet."""
        self.saver.keep(self.session, self.exchanges)

    # ---- which conversation

    def begin_session(self) -> None:
        """Go on with an empty conversation."""
        self.session, self.exchanges = SessionName(now()), []
        self.attached, self.draft, self.replaces = [], "", None

    def open_session(self, number_or_name: str) -> Markdown:
        """Go on with a saved conversation; what to tell about it, with its last answer."""
        with self.saver.store() as store:
            found = store.find_session(number_or_name)
            if found is None:
                raise SouschefError(f"There is no session {number_or_name!r}: /sessions shows all.")
            number, name, started_at = found
            if not self.saver.claim(number):
                raise SouschefError(
                    f"Session {number} is open in another terminal: close it there, or go on in this one."
                )
            exchanges = store.exchanges(number)
        self.begin_session()
        self.session, self.exchanges = SessionName(started_at, number, name), exchanges
        told = f"Session {_titled(number, name)}: {_answers(self.kept)}."
        return Markdown(told + self._take_up_unfinished(exchanges) + _last_said(self.kept))

    def _take_up_unfinished(self, exchanges: Sequence[Exchange]) -> str:
        """A question whose terminal was closed or killed in mid-answer comes back to the prompt."""
        unfinished = [exchange for exchange in exchanges if exchange.state == "running"]
        for exchange in unfinished:
            exchange.change(state="stopped")
        self.keep()
        if not unfinished or unfinished[-1] is not exchanges[-1]:
            return ""
        self.draft = unfinished[-1].question
        self.attached = list(unfinished[-1].attachments)
        return " The last question was not answered: it is at the prompt."


def _last_said(kept: Sequence[Exchange]) -> str:
    if not kept:
        return ""
    quoted = "\n".join(f"> {line}" for line in kept[-1].question.splitlines()[:_LINES_QUOTED])
    return f"\n\n{quoted}\n\n{kept[-1].answer}"


def _titled(number: int, name: str) -> str:
    return f"{number} ({name})" if name else str(number)


def _answers(kept: Sequence[Exchange]) -> str:
    return f"{len(kept)} answer" + ("" if len(kept) == 1 else "s")
