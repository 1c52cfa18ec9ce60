"""Ratings become pairs that a reward model is trained on."""

import json
from pathlib import Path

import pytest
from chat_samples import Talk
from scripted import answer

from agent.cli import main
from agent.repl.feedback import pairs
from prompts import fill, prompt
from training.preferences import Pair, load_pairs


def made(talk: Talk) -> list[tuple[object, object]]:
    with talk.chat.saver.store() as store:
        found = list(pairs(store.exchanges(), store.sessions_of_exchanges()))
    return [(pair["chosen"], pair["rejected"]) for pair in found]


def test_a_retry_that_was_rated_better_makes_a_pair(tmp_path: Path) -> None:
    talk = Talk(tmp_path, answer("Bad."), answer("Good."))
    talk.says("roux?", "/bad", "/retry", "/good")
    assert made(talk) == [("Good.", "Bad.")]


def test_a_retry_of_an_unrated_answer_makes_a_pair_once_it_is_good(tmp_path: Path) -> None:
    talk = Talk(tmp_path, answer("So so."), answer("Good."))
    talk.says("roux?", "/retry")
    assert made(talk) == []
    talk.says("/good")
    assert made(talk) == [("Good.", "So so.")]


def test_a_first_answer_that_was_better_makes_a_pair_too(tmp_path: Path) -> None:
    talk = Talk(tmp_path, answer("Good."), answer("Bad."))
    talk.says("roux?", "/good", "/retry", "/bad")
    assert made(talk) == [("Good.", "Bad.")]


@pytest.mark.parametrize(
    "lines",
    [
        ["roux?", "/good", "/retry", "/good"],  # which is better, nobody said
        ["roux?", "/good", "/retry"],
        ["roux?", "/bad", "/retry"],
        ["roux?", "/bad", "roux?", "/good"],  # another question, though in the same words
    ],
)
def test_ratings_that_tell_nothing_apart_make_no_pair(tmp_path: Path, lines: list[str]) -> None:
    talk = Talk(tmp_path, answer("One."), answer("Two."))
    talk.says(*lines)
    assert made(talk) == []


def test_the_same_answer_twice_makes_no_pair(tmp_path: Path) -> None:
    talk = Talk(tmp_path, answer("One."))
    talk.says("roux?", "/bad", "/retry", "/good")
    assert made(talk) == []


def test_a_rating_can_be_changed(tmp_path: Path) -> None:
    talk = Talk(tmp_path, answer("One."), answer("Two."))
    talk.says("roux?", "/bad", "/retry", "/bad", "/good after all")
    assert made(talk) == [("Two.", "One.")]


def test_the_export_is_what_train_reward_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    talk = Talk(tmp_path, answer("Milk."), answer("Bad."), answer("Good."))
    talk.says("what is in béchamel?", "and roux?", "/bad", "/retry", "/good clear")
    monkeypatch.setenv("SOUSCHEF_DATA", str(tmp_path))
    out = tmp_path / "pairs.jsonl"
    assert main(["feedback", "export", "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"pairs": 1, "file": str(out)}
    assert load_pairs([str(out)]) == [Pair("what is in béchamel?\n\nand roux?\n\n", "Good.", "Bad.")]
    assert main(["feedback", "export"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(out.read_text())
    assert (printed["note"], printed["model"], printed["policy"], len(printed["prompts"])) == (
        "clear", "scripted", "", 12,
    )  # fmt: skip


def test_a_summary_is_judged_by_the_prompt_that_a_summarizer_reads(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("A long text.")
    talk = Talk(tmp_path, "Bad.", "Good.")
    talk.says(f"/summarize {tmp_path / 'a.txt'}", "/bad", "/retry", "/good")
    with talk.chat.saver.store() as store:
        [pair] = pairs(store.exchanges(), store.sessions_of_exchanges())
    assert pair["prompt"] == fill(prompt("summarize"), text="A long text.")


def test_without_ratings_the_command_says_how_to_give_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOUSCHEF_DATA", str(tmp_path))
    assert main(["feedback", "export"]) == 1
    Talk(tmp_path).says("hi")
    assert main(["feedback", "export"]) == 1
    assert capsys.readouterr().err == (
        "souschef: Nothing was saved yet: rate answers in `souschef chat` with /good and /bad.\n"
        "souschef: No two answers were told apart yet: "
        "in `souschef chat` /retry an answer, then rate it /good.\n"
    )
