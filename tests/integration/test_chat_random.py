"""200 random sequences of lines leave a conversation that hangs together, in memory and on disk."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from chat_samples import SEARCH, Talk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted import answer

from agent.engines.base import Message
from agent.repl import recall
from agent.repl.exchanges import Exchange
from agent.repl.options import Settings
from tools.errors import SouschefError

LINES = st.sampled_from(
    [
        "crepes?", "and without milk? 寿司", "/retry", "/retry 0.3 no-tools", "/edit and with rum?",
        "/undo", "/undo", "/new", "/load 1", "/load 2", "/save a name", "/good", "/bad too dry", "/sources",
        "/sources 2", "/sources 9", "/why", "/stats", "/sessions", "/find milk", '/find "', "/set k 2",
        "/set temperature 9", "/set", "/trace on", "/trace off", "/edit", "/export no.txt", "/file /nowhere",
        "/file", "/model", "/model nosuch", "/policy", "/index", "/index use /nowhere", "/s", "/modle", "/",
        "/help", "/help why", "   ", "\x1b[31m\udc80", "/load", "/summarize /nowhere", "x " * 200,
    ]
)  # fmt: skip
OUTCOMES = st.sampled_from(["answer", "answer", "search", "fail", "ctrl-c"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chat")


@pytest.fixture(scope="module")
def talk(folder: Path) -> Talk:
    return Talk(folder)


@given(lines=st.lists(LINES, max_size=8), outcomes=st.lists(OUTCOMES, max_size=4))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_lines_leave_a_consistent_session(
    talk: Talk, folder: Path, lines: list[str], outcomes: list[str]
) -> None:
    talk.chat.begin_session()
    talk.chat.settings = Settings()
    talk.engine.replies = (reply(talk, iter(outcomes)),)
    for line in lines:  # one at a time, since Ctrl-C ends a script
        talk.says(line)
        assert talk.code in (0, 1, 2, 130)
    check_memory(talk)
    check_disk(talk, folder)


def reply(talk: Talk, outcomes: Iterator[str]) -> Callable[[Sequence[Message]], str]:
    """What the engine says, by these outcomes in turn."""

    def say(messages: Sequence[Message]) -> str:
        outcome = next(outcomes, "answer")
        if outcome == "fail":
            raise SouschefError("The server is gone: start it.")
        if outcome == "ctrl-c":
            talk.chat.interrupt.press()
        if outcome == "search" and "Observation" not in messages[-1]["content"]:
            return SEARCH
        return answer("Use water instead of milk.")

    return say


def check_memory(talk: Talk) -> None:
    assert {exchange.state for exchange in talk.chat.exchanges} <= {"done", "stopped", "failed"}
    messages = recall.conversation(talk.chat.exchanges)
    asked = [message.text for message in messages if message.type == "human"]
    assert asked == [exchange.question for exchange in talk.chat.kept]
    assert all(message.type in ("human", "ai", "tool") for message in messages)
    assert not messages or messages[-1].type == "ai"


def check_disk(talk: Talk, folder: Path) -> None:
    if talk.chat.session.id is not None:
        with talk.chat.saver.store() as store:
            saved = store.exchanges(talk.chat.session.id)
        assert [told(exchange) for exchange in saved] == [told(exchange) for exchange in talk.chat.exchanges]
    with closing(sqlite3.connect(folder / "souschef.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        db.execute("INSERT INTO words(words) VALUES ('integrity-check')")


def told(exchange: Exchange) -> tuple[object, ...]:
    again = exchange.again.row if exchange.again else None
    said = (exchange.question, exchange.answer, exchange.messages)
    return (*said, exchange.state, exchange.kept, exchange.rating, exchange.note, again)
