"""A turn ends when it is told to, within 300 ms, and leaves no trace."""

import threading
import time
from _thread import interrupt_main
from typing import Any

import pytest
from scripted import ScriptedEngine, answer, call, wait_for
from session_samples import ARTICLE, SUMMARIZE, only, session, small_index

from agent import Session, build_agent
from agent.events import Thinking
from agent.stopping import TurnStopped
from tools.index import RecipeIndex


@pytest.fixture(scope="module")
def index() -> RecipeIndex:
    return small_index()


def stopped_after(chat: Session, event: threading.Event, question: str) -> float:
    """Ask, stop from another thread once `event` is set, and say how long the stop took."""
    at: list[float] = []

    def stop() -> None:
        at.append(wait_for(event))
        chat.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(TurnStopped):
        chat.ask(question)
    ended = time.perf_counter()
    stopper.join()
    return ended - at[0]


def test_stop_ends_an_answer_within_300_ms_and_leaves_no_trace(index: RecipeIndex) -> None:
    engine = ScriptedEngine(answer("Hello!"), answer("word " * 10_000))
    chat = session(index, engine)
    chat.ask("hi")
    engine.pause_s, before = 0.01, list(chat.messages)
    engine.streaming.clear()
    assert stopped_after(chat, engine.streaming, "tell me a story") < 0.3
    assert chat.messages == before


def test_stop_ends_a_summary_within_300_ms(index: RecipeIndex) -> None:
    engine = ScriptedEngine(SUMMARIZE, "word " * 150)
    chat = session(index, engine)
    writing = threading.Event()

    def slowly(_: Any) -> str:
        engine.pause_s = 0.5
        writing.set()
        return "word " * 150

    engine.replies = (SUMMARIZE, slowly)
    assert stopped_after(chat, writing, f"summarize: {ARTICLE}") < 0.3


def test_stop_ends_a_turn_within_300_ms_while_a_tool_hangs() -> None:
    running, released = threading.Event(), threading.Event()

    def wait() -> str:
        running.set()
        return str(released.wait(10))

    chat = Session(build_agent(ScriptedEngine(call("wait", "{}")), tools=[only("wait", wait)]))
    took = stopped_after(chat, running, "wait")
    released.set()
    assert (took < 0.3, chat.messages) == (True, [])


def test_ctrl_c_stops_the_engine_and_leaves_no_trace(index: RecipeIndex) -> None:
    engine = ScriptedEngine(answer("word " * 10_000), pause_s=0.01)
    chat = session(index, engine)
    threading.Timer(0.2, interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        chat.ask("tell me a story")
    said = len(engine.sent)
    time.sleep(0.1)
    assert (chat.messages, len(engine.sent), running_turns()) == ([], said, [])


def test_a_reader_that_leaves_stops_the_engine(index: RecipeIndex) -> None:
    chat = session(index, ScriptedEngine(answer("word " * 10_000), pause_s=0.01))
    events = chat.stream("tell me a story")
    assert isinstance(next(events), Thinking)
    events.close()
    time.sleep(0.1)
    assert (chat.messages, running_turns()) == ([], [])


def running_turns() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "turn"]


def test_after_a_stop_the_conversation_goes_on(index: RecipeIndex) -> None:
    engine = ScriptedEngine(answer("word " * 10_000), answer("Hello!"), pause_s=0.01)
    chat = session(index, engine)
    stopped_after(chat, engine.streaming, "tell me a story")
    assert chat.ask("hi").answer == "Hello!"
    assert [message.text for message in chat.messages] == ["hi", "Hello!"]
