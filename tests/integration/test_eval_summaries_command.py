"""`souschef eval summaries` as a command, with scripted engines in the place of models."""

import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import pytest
from scripted import Reply, ScriptedEngine

from agent.commands.eval import eval as evaluations
from agent.commands.stopping import Stopped
from agent.engines.base import Message
from agent.policy import PromptedPolicy
from tools.errors import SouschefError, UsageError

ROWS = [
    {
        "article": f"Egg {n} is boiled. It is peeled. It is salted. It is eaten.",
        "summary": f"Egg {n} is eaten.",
    }
    for n in range(4)
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None]]:
    """What was asked to be loaded, and with which server; every model is called after its maker."""
    asked: list[tuple[str, str | None]] = []

    def load(spec: str, *, base_url: str | None = None) -> PromptedPolicy:
        asked.append((spec, base_url))
        said: Reply = SouschefError("The server is gone.") if "gone" in spec else "Eggs are eaten."
        return PromptedPolicy(ScriptedEngine(said), name=spec.rpartition("/")[2])

    monkeypatch.setattr("agent.evaluation.summary_writers.load_policy", load)
    monkeypatch.setattr("agent.evaluation.summaries.identity", str)
    return asked


def summaries(*arguments: object) -> None:
    evaluations.main(["summaries", *map(str, arguments)], standalone_mode=False)


def test_json_stands_alone_on_stdout_and_holds_each_policy(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summaries(file, "--policy", "a", "--policy", "b", "--out", tmp_path / "run", "--json")
    found: Any = json.loads(capsys.readouterr().out)
    assert list(found) == ["metrics", "intervals", "n", "about", "failures", "differences"]
    assert (list(found["metrics"]), found["n"]) == (["lead-3", "random-3", "a", "b"], 4)


def test_without_json_there_are_two_tables(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summaries(file, "--policy", "[b]x", "--out", tmp_path / "run")
    said = capsys.readouterr().out
    assert "Paired differences (* more than noise)" in said
    assert any(line.split()[:2] == ["[b]x", "lead-3"] and "*" in line for line in said.splitlines())
    assert "lead-3.rougeLsum" in said


def test_the_embedded_model_is_the_default_for_policy_and_shots(
    file: Path, tmp_path: Path, asked: list[tuple[str, str | None]]
) -> None:
    summaries(file, "--shots", "0,1", "--limit", 1, "--out", tmp_path / "run")
    assert asked == [("smollm2-135m", None)]


def test_policies_of_the_same_name_go_by_what_was_asked_for(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summaries(file, "--policy", "old/ppo", "--policy", "new/ppo", "--out", tmp_path / "run", "--json")
    assert list(json.loads(capsys.readouterr().out)["metrics"])[2:] == ["old/ppo", "new/ppo"]


def test_the_server_s_address_is_for_served_models_alone(
    file: Path, tmp_path: Path, asked: list[tuple[str, str | None]]
) -> None:
    policies = ["--policy", "openai/m", "--policy", "local", "--base-url", "http://localhost:1"]
    summaries(file, *policies, "--limit", 1, "--out", tmp_path / "run")
    assert asked == [("openai/m", "http://localhost:1"), ("local", None)]


def test_a_policy_that_never_writes_is_an_error_after_all_was_printed(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SouschefError, match=r"^gone wrote no summary at all; .*: The server is gone\.$"):
        summaries(file, "--policy", "gone", "--policy", "b", "--out", tmp_path / "run", "--json")
    said = capsys.readouterr()
    assert json.loads(said.out)["metrics"]["gone"]["failed"] == 1
    assert "gone failed on 4 of 4 articles: The server is gone." in said.err


def test_ctrl_c_says_how_to_go_on_and_no_finished_case_is_judged_again(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def write(messages: Sequence[Message]) -> str:
        read.append(messages[-1]["content"])
        if len(read) == 3:
            signal.raise_signal(signal.SIGINT)
        return "Eggs are eaten."

    policy = PromptedPolicy(ScriptedEngine(write), name="a")
    monkeypatch.setattr("agent.evaluation.summary_writers.load_policy", lambda *_, **__: policy)
    run = tmp_path / "run"
    with pytest.raises(Stopped) as stopped:
        summaries(file, "--policy", "a", "--out", run)
    assert stopped.value.message == (
        f"Stopped: the same command with --out {run} --resume goes on after the finished cases."
    )
    finished = [json.loads(line)["id"] for line in (run / "results.jsonl").read_text().splitlines()]
    assert len(finished) == 2
    summaries(file, "--policy", "a", "--out", run, "--resume")
    assert len(read) == 3 + 2
    assert sum("Egg 2" in text for text in read) == 2  # the one that was stopped


def test_a_minimum_that_is_missed_is_named(file: Path, tmp_path: Path) -> None:
    with pytest.raises(SouschefError, match=r"^a\.rouge1 is 0\.\d+, below its minimum of 0\.99\.$"):
        summaries(file, "--policy", "a", "--min", "a.rouge1=0.99", "--out", tmp_path / "run")


def test_a_metric_that_is_not_there_is_said_before_anything_is_judged(file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--min rouge: there is no such metric here; there are copied"):
        summaries(file, "--min", "smollm2-135m.rouge=0.2", "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_shots_are_numbers(file: Path) -> None:
    with pytest.raises(click.BadParameter, match="give numbers with commas between them, such as 0,1,3"):
        summaries(file, "--shots", "0;1")
