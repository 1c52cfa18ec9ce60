"""Ask a question in a chat: attach what it names, run the turn, show and save what comes of it.

A question is saved before the model sees it. A turn that is stopped or fails is marked, the model never reads
it, and its question goes back to the prompt. A retry takes the place of its first answer only once it is
answered itself.
"""

import re
import time
from collections.abc import Iterator

from agent.commands.texts import read_text
from agent.events import Answering, Calling, Event, Finished, Observed, StepRecord, Timing, Turn
from agent.repl.chat import Chat
from agent.repl.exchanges import Exchange
from agent.repl.options import Settings
from agent.stopping import Stop, TurnStopped, stopping
from tools.errors import SouschefError
from tools.files import expanded

_AT = re.compile(r'(?:^|(?<=\s))@(?:"([^"\n]+)"|(\S+))')


def ask(chat: Chat, question: str) -> None:
    """Ask a question that was typed; it takes the place of the exchange that is being edited, if any."""
    attachments = [*chat.attached, *named_files(question)]
    replaces, chat.replaces = chat.replaces, None
    exchange = chat.begin(question, attachments)
    chat.attached = []
    run(chat, exchange, chat.settings, replaces=replaces)


def ask_again(chat: Chat, first: Exchange, settings: Settings, tools: bool) -> None:
    """Ask the question of an exchange again."""
    told = first.settings | {"temperature": settings.temperature, "seed": settings.seed, "tools": tools}
    exchange = chat.begin(first.question, first.attachments, again=first, settings=told)
    run(chat, exchange, settings, replaces=first, tools=tools)


def summarize_file(chat: Chat, path: str) -> None:
    """Have the summarizer alone read a file."""
    file = (expanded(path).name, read_text(expanded(path)))
    exchange = chat.begin(f"Summarize {file[0]}.", [file])
    exchange.change(settings=exchange.settings | {"summarizer": path})
    run(chat, exchange, chat.settings)


def named_files(question: str) -> list[tuple[str, str]]:
    """The files that a question names as @file or @"a file", with their texts; what is no file is a word."""
    named = [[quoted] if quoted else [word, word.rstrip(".,;:!?)")] for quoted, word in _AT.findall(question)]
    files = [next((path for path in map(expanded, names) if path.is_file()), None) for names in named]
    return [(path.name, read_text(path)) for path in files if path]


def run(
    chat: Chat,
    exchange: Exchange,
    settings: Settings,
    *,
    replaces: Exchange | None = None,
    tools: bool = True,
) -> None:
    """Run an exchange to its end, whatever that is. Raises SouschefError after saving that it failed."""
    chat.models.hurry()
    chat.view.begin(chat.models.status() or "Thinking ...")
    with chat.interrupt.listening():
        try:
            if exchange.is_summary:
                events = _summary_events(chat, exchange)
            else:
                events = _turn_events(chat, exchange, replaces, settings, tools)
            for event in events:
                if isinstance(event, Answering):
                    exchange.answer += event.text
                chat.view.show(event)
            if replaces:
                replaces.change(kept=False)
        except TurnStopped:
            exchange.change(state="stopped")
            _return(chat, exchange, replaces)
        except SouschefError:
            exchange.change(state="failed")
            _return(chat, exchange, replaces)
            raise
        finally:
            chat.view.end(exchange.state == "stopped")
            chat.keep()


def _return(chat: Chat, exchange: Exchange, replaces: Exchange | None) -> None:
    """Put the question back to the prompt as it was asked; a summary is a command there."""
    if exchange.again:  # a retry: the first answer stands, and /retry is soon typed
        return
    if exchange.is_summary:
        chat.draft = f"/summarize {exchange.settings['summarizer']}"
        return
    chat.draft, chat.replaces = exchange.question, replaces
    named = [name for name, _ in named_files(exchange.question)]
    chat.attached = [file for file in exchange.attachments if file[0] not in named]


def _turn_events(
    chat: Chat, exchange: Exchange, replaces: Exchange | None, settings: Settings, tools: bool
) -> Iterator[Event]:
    """The events of a turn of the agent; at the last one the exchange holds its record."""

    def pressed() -> bool:
        return chat.interrupt.pressed

    agent = chat.models.agent(settings, tools and chat.models.choice.tools, pressed)
    from agent.repl import recall
    from agent.session import Session

    chat.view.waiting("Thinking ...")
    session = Session(agent, time_limit_s=settings.time_limit_s)
    earlier = [past for past in chat.exchanges if past is not exchange and past is not replaces]
    session.messages = recall.conversation(earlier)
    said_before = len(session.messages)
    chat.interrupt.stops_with(session.stop)
    if chat.interrupt.pressed:
        raise TurnStopped
    for event in session.stream(exchange.question, exchange.attachments):
        if isinstance(event, Finished):
            _finish(exchange, event.turn, recall.to_json(session.messages[said_before:]))
            exchange.change(passages=recall.passages(event.turn.hits))
        elif chat.interrupt.pressed:
            session.stop()
        yield event


def _summary_events(chat: Chat, exchange: Exchange) -> Iterator[Event]:
    """The same for the summarizer alone, told as if the agent had called it."""
    started, stop = time.perf_counter(), Stop()
    chat.interrupt.stops_with(lambda: stop.because("cancelled"))
    policy = chat.models.writer(lambda: chat.interrupt.pressed)
    from langchain_core.messages import AIMessage, HumanMessage

    from agent.repl import recall
    from tools.summarize import summarize

    [(name, text)] = exchange.attachments
    call = Calling("summarize", {"source": name})
    yield call
    began = time.perf_counter()
    with stopping(stop):
        summary = summarize(text, policy, lambda n, of: chat.view.waiting(f"Read part {n} of {of} ..."))
    seconds = time.perf_counter() - began
    yield Observed("summarize", summary.text, False, seconds)
    yield Answering(summary.text)
    step = StepRecord("", "summarize", call.args, summary.text, False)
    timing = Timing(time.perf_counter() - started, 0.0, seconds, time.perf_counter() - started)
    turn = Turn(
        exchange.question, summary.text, (step,), (), "answer", summary.input_tokens, 0, timing, policy.name
    )
    file = {"type": "text-plain", "title": name, "text": text}
    asked = HumanMessage([{"type": "text", "text": exchange.question}, file])
    _finish(exchange, turn, recall.to_json([asked, AIMessage(summary.text)]))
    yield Finished(turn)


def _finish(exchange: Exchange, turn: Turn, messages: str) -> None:
    exchange.change(state="done", answer=turn.answer, turn=turn.to_dict(), messages=messages)
