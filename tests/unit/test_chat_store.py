"""What was said is kept and found; where it cannot be kept, one sentence and the chat goes on."""

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from chat_samples import ASKED, Talk
from scripted import answer

from agent.repl.exchanges import Exchange
from agent.repl.saving import Saver, data_folder
from agent.repl.store import Store
from tools.errors import SouschefError


def database(folder: Path) -> Path:
    return folder / "souschef.db"


def test_a_question_is_on_disk_before_the_model_sees_it(tmp_path: Path) -> None:
    seen: list[list[tuple[str, str]]] = []

    def look(_: object) -> str:
        with closing(sqlite3.connect(database(tmp_path))) as other:
            seen.append(other.execute("SELECT question, state FROM exchanges").fetchall())
        return answer("Hello!")

    Talk(tmp_path, look).says("hi")
    assert seen == [[("hi", "running")]]


def test_a_saved_conversation_comes_back_as_it_was(tmp_path: Path) -> None:
    first = Talk(tmp_path, *ASKED)
    first.says("crepes?", "/bad too sweet", "/save Sunday")
    second = Talk(tmp_path)
    assert second.says("/load Sunday").startswith(
        "Session 1 (Sunday): 1 answer.\n\n> crepes?\n\nCrêpes [1]\n"
    )
    [was], [now] = first.chat.exchanges, second.chat.exchanges
    assert {**vars(was), "attachments": []} == {**vars(now), "attachments": []}


def test_the_question_of_a_killed_chat_is_at_the_prompt_again(tmp_path: Path) -> None:
    with closing(Store(database(tmp_path))) as store:
        number = store.new_session("2026-01-01T00:00:00+00:00")
        store.save(number, Exchange("what is roux?", [("a.txt", "a text")], asked_at="2026-01-01"))
    talk = Talk(tmp_path)
    told = talk.chat.open_session("1")
    assert told == "Session 1: 0 answers. The last question was not answered: it is at the prompt."
    assert (talk.chat.draft, talk.chat.attached) == ("what is roux?", [("a.txt", "a text")])
    assert [exchange.state for exchange in talk.chat.exchanges] == ["stopped"]


def test_words_are_found_in_questions_and_answers(tmp_path: Path) -> None:
    talk = Talk(tmp_path, answer("Use crème fraîche."), answer("酢飯と魚。"))
    talk.says("what else?", "/new", "and 寿司?")
    assert talk.says("/find creme")[:4].strip() == "1"
    assert talk.says("/find 飯と")[:4].strip() == "2"
    assert talk.says('/find "nothing" OR') == "Nothing was said about '\"nothing\" OR'.\n"


def test_an_answer_that_was_retried_is_still_found(tmp_path: Path) -> None:
    talk = Talk(tmp_path, answer("Use lard."), answer("Use butter."))
    talk.says("which fat?", "/retry 1")
    assert "Use lard." in talk.says("/find lard")


def test_two_terminals_write_at_the_same_time(tmp_path: Path) -> None:
    one, two = Talk(tmp_path), Talk(tmp_path)
    for n in range(3):
        one.says(f"one {n}")
        two.says(f"two {n}")
    assert [line[7:].split("  ")[-1] for line in one.says("/sessions").splitlines()] == ["two 0", "one 0"]


def test_a_session_that_another_terminal_has_open_is_left_to_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from agent.repl.saving import Saver;"
        "print(Saver(Path(sys.argv[1])).claim(1), flush=True); sys.stdin.read()"
    )
    first = Talk(tmp_path)
    first.says("hi")
    first.chat.saver.close()
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "True\n"
        said = Talk(tmp_path).says("/load 1")
        other.kill()  # the system gives the session back
    assert said.startswith("Session 1 is open in another terminal: ")
    assert Talk(tmp_path).says("/load 1") == "Session 1: 1 answer.\n\n> hi\n\nHello!\n"


def test_a_damaged_database_is_one_sentence_and_the_chat_goes_on(tmp_path: Path) -> None:
    database(tmp_path).write_bytes(b"no database at all" * 1000)
    talk = Talk(tmp_path)
    assert talk.says("hi", "more", "/find hi").splitlines() == [
        "Hello!",
        "Hello!",
        f"{database(tmp_path)} is damaged: move it away to begin a new one.",
    ]
    assert talk.out.getvalue().startswith(
        f"{database(tmp_path)} is damaged: move it away to begin a new one. "
        "The chat goes on without saving.\n"
    )


def test_a_damaged_page_is_one_sentence(tmp_path: Path) -> None:
    first = Talk(tmp_path)
    first.says("hi")
    first.chat.saver.close()
    whole = database(tmp_path).read_bytes()
    database(tmp_path).write_bytes(whole[:100] + b"\xff" * (len(whole) - 100))
    talk = Talk(tmp_path)
    said = talk.out.getvalue() + talk.says("hi")
    assert (said.count("is damaged"), said.count("Hello!")) == (1, 1)


def test_a_locked_database_is_one_sentence_and_saving_goes_on_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.repl.store._BUSY_S", 0.01)
    talk = Talk(tmp_path)
    with closing(sqlite3.connect(database(tmp_path), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        said = talk.says("one")
        other.execute("ROLLBACK")
    assert said == (
        f"{database(tmp_path)} is locked by another program: close it there. "
        "The chat goes on without saving.\nHello!\n"
    )
    assert talk.says("two") == "Saving works again: nothing of this chat was lost.\nHello!\n"
    again = Talk(tmp_path)
    again.says("/load 1")
    assert [exchange.question for exchange in again.chat.kept] == ["one", "two"]


def test_a_full_disk_is_one_sentence_and_the_chat_goes_on(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    with talk.chat.saver.store() as store:
        [pages] = store._db.execute("PRAGMA page_count").fetchone()
        store._db.execute(f"PRAGMA max_page_count = {pages}")
    said = talk.says("q " * 20_000)
    assert said == (
        f"The disk with {database(tmp_path)} is full: free some space. "
        "The chat goes on without saving.\nHello!\n"
    )


def test_a_home_that_cannot_be_written_is_one_sentence_and_the_chat_goes_on() -> None:
    home = Path("/proc/souschef")  # where nobody may write, root included
    talk = Talk(home)
    assert talk.says("hi") == "Hello!\n"
    assert talk.out.getvalue().startswith(f"{home / 'souschef.db'} cannot be used (")
    assert talk.out.getvalue().count("The chat goes on without saving.") == 1


def test_a_file_in_place_of_the_folder_is_one_sentence_and_the_chat_goes_on(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    talk = Talk(tmp_path / "home")
    assert talk.says("hi") == "Hello!\n"
    assert talk.out.getvalue().startswith(f"{tmp_path / 'home'} is a file, not a folder: move it away, or ")


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    with closing(Store(database(tmp_path))) as store:
        store._db.execute("PRAGMA user_version = 99")
    assert Talk(tmp_path).out.getvalue().startswith(f"{database(tmp_path)} was made by a newer Souschef: ")


def test_nothing_is_kept_where_nothing_should_be() -> None:
    talk = Talk(None)
    assert talk.says("hi", "/sessions") == "Hello!\nThis chat is not saved: start it without --no-save.\n"


def test_the_folder_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUSCHEF_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.delenv("SOUSCHEF_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert data_folder() == tmp_path / "souschef"


def test_what_people_said_is_for_them_alone(tmp_path: Path) -> None:
    Talk(tmp_path / "new").says("hi")
    assert ((tmp_path / "new").stat().st_mode & 0o777, database(tmp_path / "new").stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )


def test_a_name_is_given_once(tmp_path: Path) -> None:
    talk = Talk(tmp_path)
    talk.says("hi", "/save Sunday", "/new", "ho")
    assert talk.says("/save Sunday") == "Another conversation is named 'Sunday': choose another name.\n"


def test_an_unknown_session_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SouschefError, match=r"There is no session '7': /sessions shows all\."):
        Talk(tmp_path).chat.open_session("7")


def test_a_conversation_is_exported_to_read_and_to_process(tmp_path: Path) -> None:
    talk = Talk(None, answer("Stir it."))
    talk.says(
        "roux?\nquickly", "/good clear", f"/export {tmp_path / 'a.md'}", f"/export {tmp_path / 'a.json'}"
    )
    title = f"# Conversation of {talk.chat.session.started_at[:10]}"
    assert (tmp_path / "a.md").read_text() == (
        f"{title}\n\n> roux?\n> quickly\n\nStir it.\n\nRated good: clear\n"
    )
    [exchange] = json.loads((tmp_path / "a.json").read_text())["exchanges"]
    told = (exchange["question"], exchange["answer"], exchange["rating"], exchange["turn"]["route"])
    assert told == ("roux?\nquickly", "Stir it.", "good", "direct")


def test_text_that_is_no_unicode_is_kept_as_far_as_it_is(tmp_path: Path) -> None:
    Talk(tmp_path).says("what is \udc80 this?")
    with Saver(tmp_path).store() as store:
        assert [exchange.question for exchange in store.exchanges()] == ["what is ? this?"]
