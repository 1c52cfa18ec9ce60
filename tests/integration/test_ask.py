"""`souschef ask` and `souschef summarize` from the command line, with the embedded models."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect  # type: ignore[import-untyped]
import pytest

from agent.cli import main

COMMAND = [sys.executable, "-m", "agent"]
BREAD = "How do I make banana bread?"
NOTICE = (
    "The town council met on Monday evening to talk about the old bridge. It was built in 1903 and can no "
    "longer carry lorries. Repairing it would cost two million euros, a new one five. Most of those who "
    "spoke were for repairing it, because the bridge is what visitors come to see. The council will vote "
    "in May, after an engineer has looked at the piers. Until then lorries must take the road by the mill. "
)
ARTICLE = NOTICE * 66
PLAIN = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}


def souschef(*arguments: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], check=False, **{**PLAIN, **kwargs})


Inside = Callable[..., tuple[int, str, str]]


@pytest.fixture
def inside(capsys: pytest.CaptureFixture[str]) -> Inside:
    """Runs a command in this process, which saves the start of Python: exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        return code, *capsys.readouterr()

    return run


def test_json_is_one_object_with_the_recipe_and_its_sources() -> None:
    said = souschef("ask", BREAD, "--json")
    assert (said.returncode, said.stderr) == (0, "")
    turn = json.loads(said.stdout)
    assert list(turn) == [
        "question", "answer", "route", "steps", "sources", "exit_reason", "usage", "timing_s", "model",
    ]  # fmt: skip
    assert (turn["question"], turn["route"], turn["exit_reason"]) == (BREAD, "recipe_search", "answer")
    assert [list(step) for step in turn["steps"]] == [["thought", "tool", "args", "observation", "error"]]
    assert turn["steps"][0]["args"] == {"query": "banana bread"}
    assert [list(source) for source in turn["sources"]] == [["uid", "name", "score"]] * 3
    assert turn["sources"][0]["uid"] == "pdr-banana-bread"
    assert all(word in turn["answer"] for word in ("[1]", "flour", "bananas"))
    assert (list(turn["usage"]), turn["model"]) == (["input_tokens", "output_tokens"], "smollm2-135m")
    timing = turn["timing_s"]
    assert list(timing) == ["total", "model", "tools", "first_token"]
    assert timing["total"] >= timing["model"] + timing["tools"]


def test_a_pipe_gets_plain_text_and_a_trace_goes_to_stderr() -> None:
    said = souschef("ask", BREAD, "--trace")
    assert said.returncode == 0
    assert said.stdout.startswith("Banana Bread [1]\n\nIngredients:\n- 2 cups all purpose flour\n")
    assert "\n\nRecipes found\n[1] Banana Bread (pdr-banana-bread)\n[2] " in said.stdout
    assert "\x1b" not in said.stdout + said.stderr
    step = r"Thought: recipes are needed: [\w ]+\nrecipe_search {'query': 'banana bread'}\n"
    assert re.match(step, said.stderr)
    assert "[1] Banana Bread\n\n2 cups all purpose flour" in said.stderr
    assert said.stderr.rstrip().endswith("Thought: Banana Bread is what the user wants")


def test_a_terminal_sees_the_step_in_one_line_then_the_answer_and_its_sources() -> None:
    terminal = pexpect.spawn(COMMAND[0], [*COMMAND[1:], "ask", BREAD], encoding="utf-8", timeout=120)
    terminal.expect("searched recipes: banana bread, 3 found")
    terminal.expect("Ingredients:")
    terminal.expect("wooden skewer")
    terminal.expect("Recipes found")
    assert "Thought" not in str(terminal.before)
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


@pytest.mark.alone
def test_a_terminal_sees_an_answer_as_the_model_writes_it() -> None:
    arguments = [*COMMAND[1:], "ask", "Count from 1 to 500.", "--no-tools", "--max-tokens", "100"]
    terminal = pexpect.spawn(COMMAND[0], arguments, encoding="utf-8", timeout=120)
    terminal.expect("1")
    first = time.monotonic()
    terminal.expect(pexpect.EOF)
    assert time.monotonic() - first > 0.2  # 100 tokens, not one block at the end


def test_no_color_on_a_terminal_means_no_color() -> None:
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "xterm-256color"}
    arguments = [*COMMAND[1:], "ask", "Hi!", "--no-tools", "--max-tokens", "16"]
    terminal = pexpect.spawn(COMMAND[0], arguments, encoding="utf-8", timeout=120, env=environment)
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0
    assert re.search(r"\w", str(terminal.before))
    assert not re.search(r"\x1b\[[\d;]*(3[0-8]|4[0-8]|9[0-7])[;m]", str(terminal.before))


def test_a_question_on_stdin_is_answered_by_the_model_alone() -> None:
    said = souschef("ask", "-", "--no-tools", "--max-tokens", "16", "--json", input="Name a fruit.\n")
    assert (said.returncode, said.stderr) == (0, "")
    turn = json.loads(said.stdout)
    assert (turn["route"], turn["steps"], turn["sources"]) == ("direct", [], [])
    assert turn["usage"]["output_tokens"] <= 16
    assert turn["answer"]


def test_an_attached_article_of_5000_words_is_summarized(tmp_path: Path, inside: Inside) -> None:
    assert len(ARTICLE.split()) > 5_000
    file = tmp_path / "article.txt"
    file.write_text(ARTICLE)
    code, out, err = inside("ask", "Summarize this.", "--file", str(file), "--json", "--time-limit", "280")
    turn = json.loads(out)
    assert (code, err, turn["exit_reason"]) == (0, "", "answer")
    [step] = turn["steps"]
    assert (step["tool"], step["args"], step["error"]) == ("summarize", {"source": "file"}, False)
    assert "bridge" in turn["answer"]
    assert len(turn["answer"].split()) < 200


def test_an_own_index_is_searched_in_place_of_the_embedded_one(tmp_path: Path, inside: Inside) -> None:
    recipe = {
        "uid": "mine",
        "name": "Grandma's plum dumplings",
        "ingredients": ["12 plums"],
        "steps": ["Boil."],
    }
    (tmp_path / "own.jsonl").write_text(json.dumps(recipe))
    assert inside("index", "build", str(tmp_path / "own.jsonl"), "--out", str(tmp_path / "own"))[0] == 0
    code, out, _ = inside("ask", "How do I make plum dumplings?", "--index", str(tmp_path / "own"))
    assert code == 0
    assert out == (
        "Grandma's plum dumplings [1]\n\nIngredients:\n- 12 plums\n\nSteps:\n1. Boil.\n"
        "\nRecipes found\n[1] Grandma's plum dumplings (mine)\n"
    )


def test_without_steps_the_model_answers_at_once(inside: Inside) -> None:
    code, out, _ = inside("ask", BREAD, "--step-limit", "0", "--max-tokens", "48", "--json")
    turn = json.loads(out)
    assert (code, turn["route"], turn["steps"], turn["exit_reason"]) == (0, "direct", [], "step_limit")
    assert turn["answer"]


@pytest.mark.alone
def test_a_time_limit_ends_the_turn_and_says_so(inside: Inside) -> None:
    started = time.monotonic()
    code, out, _ = inside("ask", "Write a very long story.", "--no-tools", "--time-limit", "0.5", "--json")
    assert time.monotonic() - started < 20  # most of it is loading
    turn = json.loads(out)
    assert (code, turn["exit_reason"]) == (0, "time_limit")
    assert "[The time limit was reached" in turn["answer"]
    assert turn["timing_s"]["total"] < 0.9


@pytest.mark.alone
def test_ctrl_c_in_the_middle_of_an_answer_ends_at_once() -> None:
    arguments = ["ask", "Count from 1 to 500.", "--no-tools", "--max-tokens", "2000"]
    with subprocess.Popen(
        [*COMMAND, *arguments], bufsize=0, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as asked:
        assert asked.stdout
        assert asked.stderr
        assert asked.stdout.read(5)
        asked.send_signal(signal.SIGINT)
        sent = time.monotonic()
        assert asked.wait(10) == 130
        assert time.monotonic() - sent < 1
        assert asked.stderr.read().strip() == b"Stopped."


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    ask = " ".join(
        [*COMMAND, "ask", "'Count from 1 to 20, a line each.'", "--no-tools", "--max-tokens", "99"]
    )
    said = subprocess.run(["bash", "-c", f"{ask} | head -1"], check=False, **PLAIN)  # type: ignore[call-overload]
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.count("\n") == 1


def test_summarize_prints_the_summary_or_one_object(tmp_path: Path, inside: Inside) -> None:
    file = tmp_path / "notice.txt"
    file.write_text(NOTICE)
    code, plain, err = inside("summarize", str(file))
    assert (code, err) == (0, "")
    code, out, err = inside("summarize", str(file), "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told == {
        "summary": plain.rstrip("\n"),
        "policy": "smollm2-135m",
        "input_tokens": told["input_tokens"],
        "chunks": 1,
    }
    assert "bridge" in plain
    assert 80 < told["input_tokens"] < 160


def test_help_loads_no_library_that_takes_seconds() -> None:
    heavy = {
        "torch",
        "transformers",
        "langchain",
        "langchain_core",
        "faiss",
        "sentence_transformers",
        "xllamacpp",
    }
    script = (
        f"import sys; from agent.cli import main; main(['--help']); print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, **PLAIN)  # type: ignore[call-overload]
    assert done.stdout.startswith("Usage: souschef [OPTIONS] COMMAND [ARGS]...\n")
    assert done.stdout.endswith("\n[]\n")
