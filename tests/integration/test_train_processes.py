"""Two processes train as one does at the same global batch, however unevenly rows fall on them.

Sums over rows are added in another order, so that numbers agree to 1e-4 and not to the last bit.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from numpy.testing import assert_allclose
from tiny_runs import kitchen, metrics

from agent.cli import main

RUNNER = Path(__file__).with_name("train_runner.py")
TOLERANCE = 1e-4
# Each with a value warm-up step. One row has a seed whose first reward is not 0: from 0 the value head learns
# nothing, and Adam makes whole steps of rounding noise. Rows an epoch and mini-batch:
CASES = {
    "even": ["batch_size=4", "mini_batch_size=2"],
    "uneven": ["batch_size=5", "mini_batch_size=5", "checkpoint_every=2"],
    "fewer-rows-than-processes": ["batch_size=3", "mini_batch_size=1", "eval_rows=1"],
    "one-row": ["batch_size=1", "mini_batch_size=1", "eval_rows=0", "seed=1"],
    "lora": ["batch_size=3", "mini_batch_size=3", "lora_rank=2", "lr_schedule=constant", "target_kl=1e-4"],
}


def command(out: str, *options: str) -> list[str]:
    return ["train", "ppo", "tiny.toml", "--json", *(f"--set={o}" for o in options), "--out", out]


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def launch(folder: Path, program: list[str]) -> "subprocess.CompletedProcess[str]":
    """Run a program in two processes, as README says to."""
    options = ["--multi_gpu", "--num_processes", "2", "--main_process_port", str(free_port())]
    options += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    return subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", *options, *program],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(RUNNER.parents[2]), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


@contextmanager
def one_thread() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every case run in one process, and in two that are started once for all of them."""
    folder = kitchen(tmp_path_factory.mktemp("kitchen"))
    with pytest.MonkeyPatch.context() as patch, one_thread():
        patch.chdir(folder)
        for name, options in CASES.items():
            assert main(command(f"alone/{name}", *options)) == 0
    both = [json.dumps(command(f"together/{name}", *options)) for name, options in CASES.items()]
    ended = launch(folder, [str(RUNNER), *both])
    assert ended.returncode == 0, ended.stderr
    assert [json.loads(line)["run"] for line in ended.stdout.splitlines()] == [
        f"together/{name}" for name in CASES
    ]
    return folder


@pytest.mark.parametrize(("where", "count"), [("alone", 1), ("together", 2)])
def test_as_many_processes_took_part_as_were_started(folder: Path, where: str, count: int) -> None:
    for case in CASES:
        timing = (folder / where / case / "timing.jsonl").read_text().splitlines()
        assert {json.loads(line)["processes"] for line in timing} == {count}


@pytest.mark.parametrize("case", CASES)
def test_two_processes_log_the_metrics_of_one(folder: Path, case: str) -> None:
    alone, together = metrics(folder / "alone" / case), metrics(folder / "together" / case)
    assert len(alone) == 8
    for one, two in zip(alone, together, strict=True):
        assert one.keys() == two.keys()
        assert_allclose(list(two.values()), list(one.values()), atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("case", CASES)
def test_two_processes_end_with_the_weights_of_one(folder: Path, case: str) -> None:
    from safetensors.torch import load_file

    files = sorted((folder / "alone" / case / "policy").glob("*.safetensors"))
    assert len(files) == 2  # the model or its adapter, and the value head
    for file in files:
        alone, together = load_file(file), load_file(folder / "together" / case / "policy" / file.name)
        assert alone.keys() == together.keys()
        for name, tensor in alone.items():
            apart = (together[name] - tensor).abs()
            if name.endswith("c_attn.bias"):  # keys' biases change nothing: Adam moves them by rounding noise
                apart = apart.view(3, -1)[[0, 2]]
            assert float(apart.max()) < TOLERANCE, name


@pytest.mark.parametrize("case", CASES)
def test_two_processes_write_the_same_files_as_one(folder: Path, case: str) -> None:
    def files(run: Path) -> list[str]:
        names = (str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())
        return sorted(name for name in names if not name.startswith("tensorboard/"))

    assert files(folder / "together" / case) == files(folder / "alone" / case)


def test_two_processes_judge_the_same_answers_before_and_after(folder: Path) -> None:
    for case in CASES:
        for name in ("evaluation_before.jsonl", "samples.jsonl", "split.json"):
            alone, together = (folder / where / case / name for where in ("alone", "together"))
            assert alone.exists() == together.exists()
            if name == "split.json" or alone.exists():
                assert written(together) == written(alone)


def written(file: Path) -> object:
    """What a file says, with numbers that float arithmetic decides left out."""
    if file.suffix == ".json":
        return json.loads(file.read_bytes())
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [{key: value for key, value in line.items() if not isinstance(value, float)} for line in lines]


def test_the_command_itself_trains_in_two_processes_and_resumes(folder: Path) -> None:
    """Also: a run that one process began goes on in two."""
    with pytest.MonkeyPatch.context() as patch, one_thread():
        patch.chdir(folder)
        assert main(command("handed-over")) == 0
    whole = metrics(folder / "handed-over")
    shutil.rmtree(folder / "handed-over/checkpoints/step-000008")
    ended = launch(folder, ["-m", "agent", *command("handed-over"), "--resume"])
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["run"] == "handed-over"
    for one, two in zip(whole, metrics(folder / "handed-over"), strict=True):
        assert_allclose(list(two.values()), list(one.values()), atol=TOLERANCE, rtol=TOLERANCE)
