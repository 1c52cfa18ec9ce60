"""`souschef eval agent` as a user runs it: real processes, the embedded model, kill -9, another's figures."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agent.evaluation.agent_cases import ROUTES
from agent.evaluation.agent_scores import confusion
from agent.evaluation.results_file import read_results

ROOT = Path(__file__).parents[2]
RUNNER = Path(__file__).parent / "eval_runner.py"
SAME = ("route_accuracy", "args_accuracy", "answer_accuracy", "source_recall", "steps", "input_tokens")


def souschef(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)


def runner(*arguments: object) -> list[str]:
    return [sys.executable, str(RUNNER), *map(str, arguments)]


def metrics(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "metrics.json").read_bytes())["metrics"]
    return {name: found[name] for name in SAME}


def test_killed_in_mid_evaluation_it_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    subprocess.run(runner(tmp_path / "whole"), check=True, cwd=ROOT, capture_output=True)
    process = subprocess.Popen(
        runner(tmp_path / "killed", "--slowly"), cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    limit = time.monotonic() + 60
    while len(read_results(tmp_path / "killed/results.jsonl")) < 4:
        assert process.poll() is None
        assert time.monotonic() < limit
        time.sleep(0.02)
    process.kill()
    process.communicate()
    before = read_results(tmp_path / "killed/results.jsonl")
    assert 4 <= len(before) < 15
    subprocess.run(runner(tmp_path / "killed", "--resume"), check=True, cwd=ROOT, capture_output=True)
    after = read_results(tmp_path / "killed/results.jsonl")
    assert after[: len(before)] == before
    assert len({result["id"] for result in after}) == len(after) == 15
    assert metrics(tmp_path / "killed") == metrics(tmp_path / "whole")


def test_the_embedded_model_is_judged_and_held_against_a_minimum(tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = souschef(
        "eval", "agent", "--first-action", "--limit", 4, "--seed", 3, "--out", out, "--json",
        "--min", "route_accuracy_by_route.direct=2",
    )  # fmt: skip
    printed = json.loads(done.stdout)
    assert (done.returncode, printed["n"], printed["metrics"]["format_error_rate"]) == (1, 4, 0.0)
    assert "below its minimum of 2" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(read_results(out / "results.jsonl")) == 4
    again = souschef("eval", "agent", "--first-action", "--limit", 4, "--seed", 3, "--out", out, "--resume")
    assert (again.returncode, "4 of 4 cases were judged before" in again.stderr) == (0, True)
    assert "route_accuracy" in again.stdout
    compared = souschef("eval", "compare", out, out, "--json")
    assert json.loads(compared.stdout)["more_than_noise"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--min", "accuracy"], 2, "is no METRIC=VALUE"),
        (["--min", "acc=1"], 2, "--min acc: there is no such metric here"),
        (["--resume"], 2, "name it with --out"),
        (["nowhere.jsonl"], 1, "There is no file nowhere.jsonl"),
    ],
)
def test_what_is_wrong_is_said_before_a_model_loads(arguments: list[str], code: int, said: str) -> None:
    done = souschef("eval", "agent", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_confusion_matrix_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import confusion_matrix  # type: ignore[import-untyped]

    drawn = random.Random(0)
    expected = [drawn.choice(ROUTES) for _ in range(200)]
    taken = [drawn.choice([*ROUTES, "none"]) for _ in range(200)]
    found = confusion(expected, taken)
    known = confusion_matrix(expected, taken, labels=found["taken"])
    assert found["counts"] == known[: len(ROUTES)].tolist()
