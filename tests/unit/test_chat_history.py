"""Typed lines are kept for the next chat, or at least for this one."""

import asyncio
from pathlib import Path

from agent.repl.editing import History


def loaded(history: History) -> list[str]:
    async def load() -> list[str]:
        return [line async for line in history.load()]

    return asyncio.run(load())


def test_lines_are_there_in_the_next_chat_newest_first(tmp_path: Path) -> None:
    first = History(tmp_path / "new" / "history", lambda _: None)
    for line in ("one", "two\n\nlines", "寿司 \udc80"):
        first.append_string(line)
    assert loaded(History(tmp_path / "new" / "history", lambda _: None)) == ["寿司 ?", "two\n\nlines", "one"]
    assert (tmp_path / "new" / "history").stat().st_mode & 0o777 == 0o600


def test_two_terminals_add_to_one_history(tmp_path: Path) -> None:
    one, two = (History(tmp_path / "history", lambda _: None) for _ in range(2))
    one.append_string("one")
    two.append_string("two")
    assert loaded(History(tmp_path / "history", lambda _: None)) == ["two", "one"]


def test_a_history_that_cannot_be_written_is_said_once_and_kept_in_memory(tmp_path: Path) -> None:
    (tmp_path / "history").mkdir()
    said: list[str] = []
    history = History(tmp_path / "history", said.append)
    assert loaded(history) == []
    history.append_string("one")
    history.append_string("two")
    assert history.get_strings() == ["one", "two"]
    path = tmp_path / "history"
    assert said == [f"{path} cannot be used (Is a directory): lines are remembered for this chat only."]
