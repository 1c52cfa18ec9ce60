"""kill -9 at any moment of a run, then --resume: the same metrics and weights as of a run never killed."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import kitchen, write_config

RUNNER = Path(__file__).with_name("train_runner.py")
KILLED = -signal.SIGKILL
KILLS = 20


class Runner:
    """Runs `souschef train ppo` in processes that can be killed, within a kitchen."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process, self.folder = process, folder

    def train(self, out: str, *options: str, **kill: float) -> dict[str, Any]:
        """Exit code, seconds and operations on files of a run."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        command = {"arguments": ["train", "ppo", "tiny.toml", "--json", *options, "--out", out], **kill}
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    folder = kitchen(tmp_path_factory.mktemp("kitchen"))
    environment = os.environ | {"PYTHONPATH": str(RUNNER.parents[2]), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, str(RUNNER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=folder,
    ) as process:
        yield Runner(process, folder)


@pytest.fixture(scope="module")
def unbroken(runner: Runner) -> dict[str, Any]:
    """A run that nobody killed, done twice: the first time much is read from disk."""
    assert runner.train("first")["exit_code"] == 0
    answer = runner.train("unbroken")
    assert answer["exit_code"] == 0
    return answer


def outcome(run: Path) -> dict[str, bytes]:
    """What must not depend on kills: metrics, evaluation, samples, and the policy to its last bit."""
    names = ("metrics.jsonl", "evaluation_before.jsonl", "evaluation.json", "samples.jsonl", "split.json")
    files = [*(run / name for name in names), *(run / "policy").iterdir()]
    return {str(file.relative_to(run)): file.read_bytes() for file in files}


def phase(run: Path) -> str:
    """How far a killed run had come."""
    if not (run / "evaluation_before.jsonl").exists():
        return "before the first step"
    checkpoints = [path.name for path in (run / "checkpoints").glob("step-*")]
    if "step-000008" in checkpoints:
        return "after the last step"
    return "between checkpoints" if checkpoints else "before a checkpoint"


def assert_goes_on_to_the_same(runner: Runner, out: str) -> None:
    assert runner.train(out, "--resume")["exit_code"] == 0
    run = runner.folder / out
    assert outcome(run) == outcome(runner.folder / "unbroken")
    assert [path.name for path in sorted((run / "checkpoints").iterdir())] == ["step-000006", "step-000008"]


def test_one_seed_gives_one_run_and_another_seed_another(runner: Runner, unbroken: dict[str, Any]) -> None:
    assert unbroken["exit_code"] == 0
    assert outcome(runner.folder / "first") == outcome(runner.folder / "unbroken")
    assert runner.train("other", "--set", "seed=1")["exit_code"] == 0
    other = outcome(runner.folder / "other")
    assert other["metrics.jsonl"] != outcome(runner.folder / "first")["metrics.jsonl"]


def test_a_run_killed_at_random_moments_goes_on_as_if_it_never_was(
    runner: Runner, unbroken: dict[str, Any]
) -> None:
    draw, phases, takes_s = random.Random(7), set[str](), unbroken["seconds"]
    for kill in range(KILLS):  # spread over the whole run
        while True:
            out = f"killed-{kill}-{draw.random()}"
            moment = takes_s * (kill + draw.random()) / KILLS
            if runner.train(out, killed_after_s=moment)["exit_code"] == KILLED:
                break
            takes_s *= 0.9  # it had ended before
        phases.add(phase(runner.folder / out))
        assert_goes_on_to_the_same(runner, out)
    assert len(phases) > 1  # which ones depends on the machine; the next test meets them all


def test_a_run_killed_between_operations_on_files_goes_on_as_if_it_never_was(
    runner: Runner, unbroken: dict[str, Any]
) -> None:
    """Checkpoints and the policy take milliseconds to write: random moments would seldom meet them."""
    phases = set()
    for place in range(3, unbroken["operations"], unbroken["operations"] // 10):
        out = f"cut-{place}"
        assert runner.train(out, killed_at=place)["exit_code"] == KILLED
        phases.add(phase(runner.folder / out))
        assert_goes_on_to_the_same(runner, out)
    assert phases == {
        "before the first step",
        "before a checkpoint",
        "between checkpoints",
        "after the last step",
    }


def test_a_run_killed_again_and_again_ends_all_the_same(runner: Runner, unbroken: dict[str, Any]) -> None:
    for kill in range(5):
        runner.train("again", "--resume", killed_after_s=unbroken["seconds"] * (0.4 + 0.1 * kill))
    assert_goes_on_to_the_same(runner, "again")


def test_a_run_with_lora_and_drawn_lengths_survives_too(runner: Runner) -> None:
    changes = {"lora_rank": 2, "min_prompt_tokens": 12, "over_long": "drop", "checkpoint_every": 2}
    write_config(runner.folder / "lora.toml", **changes, value_warmup_steps=0)
    options = [f"--set={line}" for line in (runner.folder / "lora.toml").read_text().splitlines()]
    whole = runner.train("lora", *options)
    assert whole["exit_code"] == 0
    assert runner.train("lora-cut", *options, killed_at=whole["operations"] // 2)["exit_code"] == KILLED
    assert runner.train("lora-cut", *options, "--resume")["exit_code"] == 0
    assert outcome(runner.folder / "lora-cut") == outcome(runner.folder / "lora")
