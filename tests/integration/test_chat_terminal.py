"""`souschef chat` in a real terminal, on the embedded model: what a person sees and how soon."""

import os
import signal
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from chat_terminal import CHAT, Terminal

ARTICLE = (
    "The town council met on Monday evening to talk about the old bridge. It was built in 1903 and can no "
    "longer carry lorries. Repairing it would cost two million euros, a new one five. Most of those who "
    "spoke were for repairing it, because the bridge is what visitors come to see. The council will vote "
    "in May, after an engineer has looked at the piers. Until then lorries take the mill road.\n\n"
) * 42
LONG = "Tell me a long story about a baker."


@pytest.fixture
def opened() -> Iterator[list[Terminal]]:
    """Terminals that are closed whatever happens."""
    terminals: list[Terminal] = []
    yield terminals
    for terminal in terminals:
        terminal.close()


def chat(opened: list[Terminal], folder: Path, *arguments: str) -> Terminal:
    opened.append(Terminal(folder, [*CHAT, *arguments]))
    opened[-1].until(lambda _: opened[-1].prompt() is not None, 20)
    return opened[-1]


def ready(terminal: Terminal, text: str = "", limit_s: float = 60) -> float:
    """Wait for the prompt with `text` in it."""
    return terminal.until(lambda _: terminal.prompt() == text, limit_s)


@pytest.mark.alone
def test_the_prompt_is_there_within_a_second_and_keys_echo_while_models_load(
    opened: list[Terminal], tmp_path: Path
) -> None:
    starts = []
    for _ in range(3):
        for earlier in opened:  # or its loading would slow the next
            earlier.close()
        terminal = chat(opened, tmp_path)
        starts.append(time.monotonic() - terminal.started)
    assert min(starts) < 1
    terminal.until(lambda lines: lines[-1].startswith("loading"), 5)
    delays, typed = [], ""
    while terminal.lines()[-1].startswith("loading"):
        typed += "a"
        terminal.type("a")
        delays.append(ready(terminal, typed, 10))
        terminal.read(0.05)
    assert len(delays) >= 3
    assert (statistics.median(delays) < 0.2, max(delays) < 3) == (True, True)


def test_a_recipe_streams_behind_its_step_and_a_killed_chat_is_taken_up_again(
    opened: list[Terminal], tmp_path: Path
) -> None:
    terminal = chat(opened, tmp_path)
    terminal.type("How do I make banana bread?\r")
    terminal.until("searched recipes: banana bread, 3 found, ")
    terminal.until("1. Preheat oven to 350°F (175°C)")
    ready(terminal)
    assert "Banana Bread [1]" in terminal.lines()
    terminal.type("/good\r")
    terminal.until("Rated as good")
    ready(terminal)
    terminal.type("What can I use instead of butter?\r")
    terminal.read(0.15)  # the question is saved at once, and no answer is this quick
    os.kill(terminal.process.pid, signal.SIGKILL)

    again = chat(opened, tmp_path, "--continue")
    ready(again, "What can I use instead of butter?")
    shown = again.text()
    assert "Session 1: 1 answer. The last question was not answered: it is at the prompt." in shown
    assert "│ How do I make banana bread?" in shown
    assert "1. Preheat oven" in shown
    again.type("\x03")
    ready(again)
    again.type("\x1b[A")  # up: what Ctrl-C cleared is in the history
    ready(again, "What can I use instead of butter?")


@pytest.mark.alone
def test_ctrl_c_stops_an_answer_and_gives_the_question_back(opened: list[Terminal], tmp_path: Path) -> None:
    terminal = chat(opened, tmp_path, "--no-tools")
    terminal.type(f"{LONG}\r")
    terminal.until(lambda lines: sum(map(len, lines)) > 250)  # it has begun to stream
    terminal.type("\x03")
    took = ready(terminal, LONG, 5)
    assert took < 0.6  # 300 ms to stop, the rest to draw the prompt
    assert "[stopped]" in terminal.text()
    assert "^C" not in terminal.text()
    terminal.type("\x7f" * len("long story about a baker.") + "word.\r")
    terminal.until("> Tell me a word.", 5)
    ready(terminal)
    terminal.type("\x03")
    terminal.until("Ctrl-D or /quit leaves.", 5)
    terminal.type("\x04")
    terminal.read(1)
    terminal.process.wait()
    assert terminal.process.exitstatus == 0


def test_a_pasted_article_is_summarized(opened: list[Terminal], tmp_path: Path) -> None:
    terminal = chat(opened, tmp_path)
    assert len(ARTICLE.split()) > 3000
    terminal.paste(ARTICLE)
    terminal.type("summarize this")
    assert terminal.until("  summarize this", 10) < 5
    terminal.type("\r")
    terminal.until("summarized: message", 240)
    ready(terminal)
    assert "bridge" in terminal.text()
