"""A whole session, as it was shown: tests/data/chat_transcript.txt is what a person would have seen."""

import json
import re
from pathlib import Path

from chat_samples import ASKED, SEARCH, Talk
from scripted import answer

from agent.repl.scripts import JsonView, joined

GOLDEN = Path(__file__).parents[1] / "data" / "chat_transcript.txt"
LINES = (
    "How do I make crepes?",
    "/sources 2",
    "/why",
    "and without milk?",
    "/bad It names no amount.",
    "/retry 0.8",
    "/good",
    "/trace on",
    "one more time?",
    "/trace off",
    "/undo",
    "/set k 2",
    "/modle",
    "/model",
    "/policy",
    "/index",
    "/file nothing.txt",
    "/save Crêpes on Sunday",
    "/sessions",
    "/find milk",
    "/new",
    "Hi!",
    "/load Crêpes on Sunday",
    "/stats",
    "/help sources",
    "/quit",
)
REPLIES = (
    *ASKED,
    answer("Use water instead."),
    answer("Use **250 ml** of water instead."),
    SEARCH.replace("crepes", "more crepes"),
    answer("Here they are [1]."),
    answer("Hello!"),
)


def transcript(folder: Path) -> str:
    talk = Talk(folder, *REPLIES)
    shown = "".join(f"> {line}\n{talk.says(line)}\n" for line in LINES)
    for what, instead in (
        (r"\d+\.\d s", "0.0 s"),
        (r"\(\d+ tokens a second\)", "(0 tokens a second)"),
        (r"memory: \d+ MB", "memory: 0 MB"),
        (r"\d{4}-\d\d-\d\d( \d\d:\d\d)?", "2026-11-21"),
    ):
        shown = re.sub(what, instead, shown)
    return shown


def test_a_whole_session_reads_as_it_should(tmp_path: Path) -> None:
    assert transcript(tmp_path) == GOLDEN.read_text(encoding="utf-8")


def test_a_script_prints_one_event_a_line(tmp_path: Path) -> None:
    with (tmp_path / "out.jsonl").open("w", encoding="utf-8") as out:
        talk = Talk(None, *ASKED)
        talk.chat.view = JsonView(out)
        talk.says("crepes?", "/why", "/modle")
    events = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    kinds = list(dict.fromkeys(event["event"] for event in events))
    assert kinds == ["thinking", "calling", "observed", "answering", "finished", "said", "problem"]
    [finished] = [event for event in events if event["event"] == "finished"]
    assert (finished["turn"]["question"], finished["turn"]["route"]) == ("crepes?", "recipe_search")
    assert events[-1]["text"] == "There is no command /modle: did you mean /model?"
    assert talk.code == 2


def test_lines_of_a_script_go_on_after_a_backslash() -> None:
    assert list(joined(["one\\\n", "two\n", "\n", "three\\"])) == ["one\ntwo", "", "three"]


def test_a_script_ends_at_quit_and_at_ctrl_c() -> None:
    talk = Talk(None)
    assert (talk.says("/quit", "hi"), talk.code) == ("", 0)
    stopped = Talk(None)

    def press(_: object) -> str:
        stopped.chat.interrupt.press()
        return answer("Hello!")

    stopped.engine.replies = (press,)
    assert (stopped.says("hi", "hi"), stopped.code) == ("[stopped]\n", 130)
