"""A conversation: keeps what was said, runs one turn at a time and tells what happens in it.

The agent runs in a thread of its own, so that Ctrl-C and `stop` work at any moment. A turn that is stopped
leaves no trace in the conversation. Not here: saving conversations, which belongs to the REPL.
"""

import queue
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    ToolMessage,
)

from agent.events import Answering, Calling, Event, Finished, Observed, Thinking, Turn
from agent.limits import SECONDS
from agent.stopping import Stop, TurnStopped, stopping
from agent.turns import TurnRecord
from tools.errors import SouschefError, UsageError
from tools.summarize import noting_parts

DEFAULT_TIME_LIMIT_S = 300.0
MAX_TEXT_WORDS = 100_000  # a long novel; more would keep a small model reading for an hour
_RECURSION_LIMIT = 200  # far above what a step limit allows; LangGraph's own is 9,999

_GRACE_S = 0.05  # three of these pass at most between a stop and the end of its turn; 300 ms are promised

_Produced = queue.SimpleQueue[BaseMessage | BaseException | None]
Attachments = Sequence[tuple[str, str]]  # (file name, text)


class Session:
    """A conversation with an agent that `build_agent` made."""

    def __init__(self, agent: Any, *, time_limit_s: float | None = DEFAULT_TIME_LIMIT_S) -> None:
        self.agent = agent
        self.time_limit_s = time_limit_s
        self.messages: list[BaseMessage] = []
        self._stop = Stop()

    def ask(self, question: str, attachments: Attachments = ()) -> Turn:
        """Run a turn to its end. Raises what `stream` raises."""
        for event in self.stream(question, attachments):
            if isinstance(event, Finished):
                return event.turn
        raise AssertionError("a turn ends with Finished or an exception")

    def stop(self) -> None:
        """Stop the running turn, from any thread; its stream raises TurnStopped within 300 ms."""
        self._stop.because("cancelled")

    def stream(self, question: str, attachments: Attachments = ()) -> Generator[Event, None, None]:
        """Run a turn and yield what happens; the last event is Finished.

        Raises UsageError for a question that cannot be asked, SouschefError where model or index fail,
        and TurnStopped after `stop`.
        """
        asked = _human_message(question, attachments)
        self._stop = Stop()
        record = TurnRecord(question)
        with closing(self._messages(asked, self._stop, record.parts)) as messages:
            try:
                for message in messages:
                    yield from _events(message, record)
            except TurnStopped:
                if self._stop.reason != "time_limit":
                    raise
                yield from record.give_best("time_limit", "The time limit was reached")
            except SouschefError as error:
                if not record.found:
                    raise
                yield from record.give_best("error", str(error).rstrip("."))
        turn = record.finish()
        self.messages += [asked, *record.messages]
        yield Finished(turn)

    def _messages(
        self, asked: HumanMessage, stop: Stop, parts: list[str]
    ) -> Generator[BaseMessage, None, None]:
        """Streamed chunks and finished messages of the agent, which runs in another thread."""
        produced: _Produced = queue.SimpleQueue()
        history = [*self.messages, asked]

        def run() -> None:
            try:
                with stopping(stop, self.time_limit_s), noting_parts(parts):
                    for message in _run(self.agent, history):
                        produced.put(message)
                produced.put(None)
            except BaseException as error:  # noqa: BLE001 - raised again in the reader's thread
                produced.put(error)

        worker = threading.Thread(target=run, name="turn", daemon=True)
        worker.start()
        try:
            while (item := _next(produced, stop)) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stop.because("cancelled")  # whatever still runs is not wanted any more
            worker.join(timeout=_GRACE_S)


def _next(produced: _Produced, stop: Stop) -> BaseMessage | BaseException | None:
    """What the agent produces next. A turn that was told to stop does not wait for a tool that hangs."""
    while True:
        told = stop.is_set()
        try:
            return produced.get(timeout=_GRACE_S)
        except queue.Empty:
            if told:
                return TurnStopped()


def _run(agent: Any, history: list[BaseMessage]) -> Iterator[BaseMessage]:
    stream = agent.stream(
        {"messages": history},
        {"recursion_limit": _RECURSION_LIMIT},
        stream_mode=["messages", "updates"],
    )
    for mode, item in stream:
        if mode == "messages":
            if isinstance(item[0], AIMessageChunk):
                yield item[0]
        else:
            for update in item.values():
                yield from (update or {}).get("messages", [])


def _events(message: BaseMessage, record: TurnRecord) -> Iterator[Event]:
    if isinstance(message, AIMessageChunk):
        record.saw_a_piece()
        for block in message.content if isinstance(message.content, list) else [message.content]:
            yield from _piece_events(block, record)
    elif isinstance(message, AIMessage):
        record.add_step(message)
        for call in message.tool_calls:
            yield Calling(call["name"], call["args"])
    elif isinstance(message, ToolMessage):
        record.add_result(message)
        hits = message.artifact if message.name == "recipe_search" else None
        yield Observed(
            message.name or "",
            message.text,
            message.status == "error",
            message.additional_kwargs.get(SECONDS, 0.0),
            None if hits is None else len(hits),
        )


def _piece_events(block: str | dict[str, Any], record: TurnRecord) -> Iterator[Event]:
    if isinstance(block, str) or block.get("type") == "text":
        text = block if isinstance(block, str) else block["text"]
        if text:
            record.saw_answer(text)
            yield Answering(text)
    elif block.get("type") == "reasoning" and block.get("reasoning"):
        yield Thinking(block["reasoning"])


def check_question(question: str, attachments: Attachments = ()) -> None:
    """Raise UsageError for a question that cannot be asked."""
    if not question.strip():
        raise UsageError("The question is empty: say what you would like to know.")
    words = max(len(text.split(maxsplit=MAX_TEXT_WORDS)) for text in [question, *(t for _, t in attachments)])
    if words > MAX_TEXT_WORDS:
        raise UsageError(f"The text has more than {MAX_TEXT_WORDS:,} words: give it in smaller parts.")


def _human_message(question: str, attachments: Attachments) -> HumanMessage:
    check_question(question, attachments)
    if not attachments:
        return HumanMessage(question)
    files = [{"type": "text-plain", "title": name, "text": text} for name, text in attachments]
    return HumanMessage([{"type": "text", "text": question}, *files])
