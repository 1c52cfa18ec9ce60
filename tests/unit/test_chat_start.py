"""`souschef chat` from the command line: lines from a pipe, sessions to go on with, exit codes."""

import io
import json
from pathlib import Path

import pytest
from chat_samples import small_index
from scripted import ScriptedEngine, answer

from agent.cli import main
from agent.repl.loaders import Loaders
from agent.repl.options import Choice
from agent.repl.start import Start, start


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOUSCHEF_DATA", str(tmp_path))


def run(monkeypatch: pytest.MonkeyPatch, lines: str, begin: Start) -> int:
    engine = ScriptedEngine(answer("Hello!"))
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    return start(begin, Loaders(engine=lambda _: engine, index=lambda _: small_index()))


def test_piped_lines_are_questions_and_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "hi\n\n/why\n", Start(Choice("scripted"))) == 0
    assert capsys.readouterr() == ("Hello!\nIt answered directly, without a tool.\n", "")


def test_a_line_that_fails_is_said_on_stderr_and_the_rest_is_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "/file /nowhere\n/modle\nhi\n", Start(Choice("scripted"))) == 1
    assert capsys.readouterr() == (
        "Hello!\n",
        "/nowhere does not exist: check the name.\nThere is no command /modle: did you mean /model?\n",
    )


def test_json_is_one_event_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "hi\n/modle\n", Start(Choice("scripted"), as_json=True)) == 2
    out, err = capsys.readouterr()
    events = [json.loads(line) for line in out.splitlines()]
    assert (events[0]["event"], events[-2]["turn"]["answer"], events[-1]["event"], err) == (
        "thinking", "Hello!", "problem", "",
    )  # fmt: skip


def test_the_last_session_is_gone_on_with(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "one\n/new\ntwo\n", Start(Choice("scripted")))
    run(monkeypatch, "/sessions\n", Start(Choice("scripted"), go_on=True))
    run(monkeypatch, "/sessions\n", Start(Choice("scripted"), resume="1"))
    told = capsys.readouterr().out.splitlines()[2:]
    assert [line for line in told if line.startswith("Session")] == [
        "Session 2: 1 answer.", "Session 1: 1 answer.",
    ]  # fmt: skip
    assert [line.split()[1] for line in told if line.startswith("*")] == ["2", "1"]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--resume", "7"], 1, "There is no session '7': /sessions shows all."),
        (["--continue"], 1, "There is no session to go on with: begin one with `souschef chat`."),
        (["--continue", "--no-save"], 1, "This chat is not saved: start it without --no-save."),
        (["--resume", "7", "--continue"], 2, "--resume and --continue exclude each other: leave one out."),
        (["--policy", "x", "--no-tools"], 2, "With --no-tools nothing summarizes: leave --policy out."),
    ],
)
def test_what_cannot_begin_is_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, sentence: str
) -> None:
    assert (main(["chat", *arguments]), capsys.readouterr().err) == (code, f"souschef: {sentence}\n")
