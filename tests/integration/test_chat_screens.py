"""What stands on the screen at several widths, after a resize in mid-answer, and with wide and RTL text.

tests/data/chat_screen_WIDTH.txt are the screens as they were looked at and found good.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_terminal import Terminal
from scripted_chat import WIDE, WORDS

DATA = Path(__file__).parents[1] / "data"
SCRIPT = str(Path(__file__).with_name("scripted_chat.py"))


@pytest.fixture
def opened() -> Iterator[list[Terminal]]:
    terminals: list[Terminal] = []
    yield terminals
    for terminal in terminals:
        terminal.close()


def chat(opened: list[Terminal], folder: Path, columns: int, rows: int = 60, **environment: str) -> Terminal:
    opened.append(Terminal(folder, [SCRIPT], columns=columns, rows=rows, **environment))
    ready(opened[-1])
    return opened[-1]


def ready(terminal: Terminal) -> None:
    terminal.until(lambda _: terminal.prompt() == "" and "loading" not in terminal.lines()[-1], 30)


def ask(terminal: Terminal, question: str) -> None:
    terminal.type(f"{question}\r")
    terminal.read(0.3)
    ready(terminal)


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_recipe_and_mixed_scripts_look_as_they_should(
    opened: list[Terminal], tmp_path: Path, columns: int
) -> None:
    terminal = chat(opened, tmp_path, columns)
    ask(terminal, "crepes? 🥞")
    ask(terminal, "寿司 with שקשוקה?")
    shown = re.sub(r"found, \d.*", "found, 0 ms", terminal.text())
    golden = DATA / f"chat_screen_{columns}.txt"
    if os.environ.get("SOUSCHEF_RECORD"):
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")


def test_a_resize_in_mid_answer_loses_and_doubles_nothing(opened: list[Terminal], tmp_path: Path) -> None:
    terminal = chat(opened, tmp_path, 100)
    ask(terminal, "crepes?")
    terminal.type("and now?\r")
    terminal.until("bak", 10)
    terminal.resize(200, 60)  # wider: a terminal that is made narrower wraps in ways of its own
    ready(terminal)
    answer = terminal.text().partition("> and now?")[2].partition("•")[0].partition("> ")[0]
    said = "".join(answer.split())
    expected = "".join(f"Wide {WIDE} and so on: {' '.join(WORDS)}.".split())
    assert said == expected
    widths = [len(line) for line in answer.splitlines()]
    assert max(widths) <= 100


def test_a_prompt_is_drawn_again_after_a_resize(opened: list[Terminal], tmp_path: Path) -> None:
    terminal = chat(opened, tmp_path, 120, 30)
    terminal.type("how do I make crepes")
    terminal.read(0.2)
    terminal.resize(50, 20)
    terminal.type("?")
    terminal.until(lambda _: terminal.prompt() == "how do I make crepes?", 5)


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_where_none_are_wanted(
    opened: list[Terminal], tmp_path: Path, environment: dict[str, str]
) -> None:
    terminal = chat(opened, tmp_path, 80, 60, **environment)
    ask(terminal, "crepes?")
    assert "• 250 g flour" not in terminal.text()
    assert "- 250 g flour" in terminal.text()
    assert {character.fg for line in terminal.cells() for character in line} == {"default"}


def test_a_line_goes_on_after_a_backslash_and_after_alt_enter(opened: list[Terminal], tmp_path: Path) -> None:
    terminal = chat(opened, tmp_path, 80)
    terminal.type("one\\\rtwo\x1b\rthree")
    terminal.until(lambda lines: lines[1:4] == ["> one", "  two", "  three"], 5)
    terminal.type("\x03")
    ready(terminal)
    terminal.type("/trace on\r")
    terminal.until("Trace is on.", 5)
    ready(terminal)
    terminal.type("\x12trac")  # Ctrl-R
    terminal.until(lambda lines: (lines[3], lines[-2]) == ("> /trace on", "I-search backward: trac"), 5)
