"""`souschef train`: what it prints and where, what it leaves behind, and how Ctrl-C ends it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tiny_policies import gpt2, save
from tiny_runs import kitchen, metrics

from agent.cli import main

ROOT = Path(__file__).parents[2]


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "agent", "train", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kitchen(tmp_path_factory.mktemp("kitchen"))


@pytest.fixture(scope="module")
def done(folder: Path) -> tuple[dict[str, Any], str]:
    """What a run of the command, in a process of its own, prints to stdout as JSON and to stderr."""
    with start(folder, "ppo", "tiny.toml", "--json") as process:
        stdout, stderr = process.communicate()
        assert process.returncode == 0, stderr
    result: dict[str, Any] = json.loads(stdout)
    return result, stderr


def test_json_names_files_that_are_there(folder: Path, done: tuple[dict[str, Any], str]) -> None:
    result, _ = done
    assert result["run"] == "runs/tiny"
    assert result["files"] == {
        "policy": "runs/tiny/policy",
        "report": "runs/tiny/report.html",
        "metrics": "runs/tiny/metrics.jsonl",
    }
    assert all((folder / file).exists() for file in result["files"].values())
    assert result["evaluation"] == json.loads((folder / "runs/tiny/evaluation.json").read_bytes())
    assert result["evaluation"]["n"] == 3


def test_progress_goes_to_stderr(done: tuple[dict[str, Any], str]) -> None:
    _, stderr = done
    first, step, last = stderr.splitlines()
    assert first == "Judging the start policy on 3 held-out rows ..."
    assert step.startswith("step 8/8 · reward ")
    assert last == "Judging the end policy on 3 held-out rows ..."


def test_a_run_directory_holds_what_it_should(folder: Path, done: tuple[dict[str, Any], str]) -> None:
    run = folder / done[0]["run"]
    there = {path.name for path in run.iterdir()} - {"tensorboard"}
    assert there == {
        *("config.json", "split.json", "metrics.jsonl", "timing.jsonl", "checkpoints", "policy"),
        *("evaluation_before.jsonl", "evaluation.json", "samples.jsonl", "report.html"),
    }
    assert json.loads((run / "config.json").read_bytes())["rewards"][0] == {
        "name": "rouge1",
        "weight": 1.0,
        "options": {},
    }
    timing = [json.loads(line) for line in (run / "timing.jsonl").read_text().splitlines()]
    assert [line["step"] for line in timing] == list(range(1, 9))
    assert timing[0].keys() == {"step", "seconds", "rollout_s", "update_s", "tokens_per_s", "processes"}


def test_report_is_written_again_and_named(
    folder: Path,
    done: tuple[dict[str, Any], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    report = Path(done[0]["files"]["report"])
    before = report.read_bytes()
    report.unlink()
    assert main(["train", "report", done[0]["run"]]) == 0
    assert capsys.readouterr().out == f"{report}\n"
    assert report.read_bytes() == before
    assert main(["train", "report", "model"]) == 1
    assert capsys.readouterr().err == (
        "souschef: model is no run with a step done (no metrics.jsonl): name the --out of a training "
        "command.\n"
    )


def test_export_names_the_file_that_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = save(tmp_path / "run", *gpt2(), chat=False)
    assert main(["train", "export", str(run), "--json"]) == 0
    file = run / "policy/policy.gguf"
    assert json.loads(capsys.readouterr().out) == {"file": str(file)}
    assert file.read_bytes()[:4] == b"GGUF"


def test_export_says_which_policies_it_cannot_write(
    folder: Path,
    done: tuple[dict[str, Any], str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    assert main(["train", "export", done[0]["run"]]) == 1
    stdout, stderr = capsys.readouterr()
    assert (stdout, stderr.count("\n")) == ("", 1)
    assert "tokenizer" in stderr
    assert not list((folder / "runs/tiny/policy").glob("*.gguf*"))


def test_configs_lists_those_that_ship(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "configs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    shipped = sorted(path.stem for path in (ROOT / "training/configs").glob("*.toml"))
    assert [line.split()[0] for line in lines] == shipped
    assert all(len(line.split()) > 3 for line in lines)


def test_a_config_that_ships_is_found_by_its_name(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    Path("ppo_tiny").mkdir()  # such as a run of it
    command = ["train", "ppo", "ppo_tiny", "--out", str(tmp_path / "run"), "--set=model=model"]
    assert main([*command, "--set=steps=2", "--json"]) == 0
    assert len(metrics(tmp_path / "run")) == 2


def test_a_finished_run_is_resumed_to_the_same(
    folder: Path, done: tuple[dict[str, Any], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    run = Path(done[0]["run"])
    names = ("metrics.jsonl", "evaluation.json", "samples.jsonl", "policy/model.safetensors")
    before = [(run / name).read_bytes() for name in names]
    assert main(["train", "ppo", "tiny.toml", "--resume", "--json"]) == 0
    assert [(run / name).read_bytes() for name in names] == before


@pytest.mark.parametrize("until", ["config.json", "metrics.jsonl"])
def test_ctrl_c_says_how_to_go_on(folder: Path, until: str) -> None:
    out = f"stopped-{until}"
    with start(folder, "ppo", "tiny.toml", "--out", out, "--json", "--set=steps=100000") as process:
        while not (folder / out / until).exists():
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, "")
    said = [line for line in stderr.splitlines() if line and not line.startswith(("Judging", "step"))]
    assert said == [f"souschef: Stopped: the same command with --resume goes on with the run in {out}."]
