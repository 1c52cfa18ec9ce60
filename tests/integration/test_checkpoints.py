"""A checkpoint is whole or it is none; a damaged one is said to be, with what to delete."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import kitchen, metrics, settings

from agent.cli import main
from tools.errors import SouschefError, TrainingError
from training.checkpoints import State, load_newest, save_checkpoint, whole_checkpoints
from training.config import PPOConfig
from training.run_directory import RunDirectory


def trained(seed: int, steps: int = 3) -> tuple[dict[str, Any], Any]:
    """Two weights that AdamW has moved, and their optimizer."""
    torch.manual_seed(seed)
    weights = {"body": torch.nn.Parameter(torch.randn(4, 3)), "head.bias": torch.nn.Parameter(torch.randn(1))}
    optimizer = torch.optim.AdamW(weights.values(), lr=0.1)
    for _ in range(steps):
        move(weights, optimizer)
    return weights, optimizer


def move(weights: dict[str, Any], optimizer: Any) -> None:
    sum((weight**3).sum() for weight in weights.values()).backward()
    optimizer.step()
    optimizer.zero_grad()


def plain(weights: dict[str, Any]) -> dict[str, list[Any]]:
    return {name: weight.tolist() for name, weight in weights.items()}


def test_training_goes_on_after_a_checkpoint_to_the_same_bits(tmp_path: Path) -> None:
    weights, optimizer = trained(seed=0)
    save_checkpoint(tmp_path, weights, optimizer, State(3, 0.05))
    others, other_optimizer = trained(seed=1, steps=0)
    assert load_newest(tmp_path, others, other_optimizer) == State(3, 0.05)
    assert plain(others) == plain(weights)
    for _ in range(3):
        move(weights, optimizer)
        move(others, other_optimizer)
    assert plain(others) == plain(weights)


def test_what_a_kill_left_behind_is_gone_when_the_run_is_opened_again(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path, PPOConfig())
    run.open(resume=False)
    weights, optimizer = trained(seed=0)
    for step in (2, 4, 6):
        save_checkpoint(run.checkpoints, weights, optimizer, State(step, 0.0))
    newest = run.checkpoints / "step-000006"
    shutil.copytree(newest, run.checkpoints / "step-000001")  # killed before the old one was dropped
    shutil.copytree(newest, run.checkpoints / ".step-000002.gone")  # while one was
    shutil.copytree(newest, run.checkpoints / ".step-000008.part")  # while one was written
    run.open(resume=True)
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["step-000004", "step-000006"]


def test_a_run_without_checkpoints_begins_anew(tmp_path: Path) -> None:
    weights, optimizer = trained(seed=0)
    before = plain(weights)
    assert load_newest(tmp_path / "none", weights, optimizer) is None
    assert plain(weights) == before


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 10, 9_999_999):
        weights, optimizer = trained(seed=step)
        save_checkpoint(tmp_path, weights, optimizer, State(step, 0.0))
    assert [path.name for path in whole_checkpoints(tmp_path)] == ["step-000010", "step-9999999"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000010", "step-9999999"]


def test_what_a_killed_process_left_is_no_checkpoint_and_goes_with_the_next(tmp_path: Path) -> None:
    weights, optimizer = trained(seed=0)
    save_checkpoint(tmp_path, weights, optimizer, State(1, 0.0))
    for left in (".step-000002.part", ".step-000009.part", ".step-000000.gone"):
        (tmp_path / left).mkdir()
        (tmp_path / left / "trained.safetensors").write_bytes(b"half")
    assert load_newest(tmp_path, weights, optimizer) == State(1, 0.0)
    save_checkpoint(tmp_path, weights, optimizer, State(2, 0.0))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000001", "step-000002"]


def test_a_checkpoint_that_fails_half_way_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, optimizer = trained(seed=0)
    save_checkpoint(tmp_path, weights, optimizer, State(1, 0.0))
    kept = plain(weights)
    move(weights, optimizer)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("training.checkpoints.flush_folder", full)
    with pytest.raises(SouschefError, match="the disk is full; free some space and try again"):
        save_checkpoint(tmp_path, weights, optimizer, State(2, 0.0))
    assert load_newest(tmp_path, weights, optimizer) == State(1, 0.0)
    assert plain(weights) == kept


def damaged() -> Iterator[Any]:
    """Files of a checkpoint, each spoilt in a way of its own."""
    yield pytest.param("trained.safetensors", lambda content: content[:-5], id="cut weights")
    yield pytest.param("trained.safetensors", lambda _: b"", id="no weights")
    yield pytest.param("optimizer.safetensors", lambda content: content[:20], id="cut moments")
    yield pytest.param("state.json", lambda content: content[:-3], id="cut state")
    yield pytest.param("state.json", lambda _: b'{"step": 2}', id="half a state")
    yield pytest.param("state.json", lambda _: None, id="no state")


@pytest.mark.parametrize(("file", "spoil"), damaged())
def test_a_damaged_checkpoint_is_named_and_not_half_loaded(tmp_path: Path, file: str, spoil: Any) -> None:
    for step in (1, 2):
        weights, optimizer = trained(seed=step)
        save_checkpoint(tmp_path, weights, optimizer, State(step, 0.0))
    spoilt = tmp_path / "step-000002" / file
    content = spoil(spoilt.read_bytes())
    spoilt.unlink() if content is None else spoilt.write_bytes(content)
    others, other_optimizer = trained(seed=5)
    before = plain(others)
    with pytest.raises(TrainingError) as error:
        load_newest(tmp_path, others, other_optimizer)
    assert f"The checkpoint {tmp_path}/step-000002 cannot be read (" in str(error.value)
    assert str(error.value).endswith("): delete it, and --resume goes on before it.")
    assert plain(others) == before
    shutil.rmtree(tmp_path / "step-000002")
    assert load_newest(tmp_path, others, other_optimizer) == State(1, 0.0)


def test_weights_of_another_model_are_refused_before_any_is_taken(tmp_path: Path) -> None:
    weights, optimizer = trained(seed=0)
    wider = {**weights, "head.bias": torch.nn.Parameter(torch.zeros(2))}
    save_checkpoint(tmp_path, wider, torch.optim.AdamW(wider.values()), State(1, 0.0))
    before = plain(weights)
    with pytest.raises(TrainingError, match="cannot be read"):
        load_newest(tmp_path, weights, optimizer)
    assert plain(weights) == before


def test_the_command_says_which_checkpoint_to_delete_and_then_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(kitchen(tmp_path))
    command = ["train", "ppo", "tiny.toml", "--out", "run", "--json"]
    assert main(command) == 0
    whole = metrics(tmp_path / "run")
    newest = Path("run/checkpoints/step-000008")
    weights = newest / "trained.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    capsys.readouterr()
    assert main([*command, "--resume"]) == 1
    assert f"The checkpoint {newest} cannot be read (" in capsys.readouterr().err
    assert metrics(tmp_path / "run") == whole
    shutil.rmtree(newest)
    assert main([*command, "--resume"]) == 0
    assert metrics(tmp_path / "run") == whole


def test_checkpoints_without_the_evaluation_before_are_not_gone_on_from(tmp_path: Path) -> None:
    from training import PPOTrainer

    kitchen(tmp_path)
    run = PPOTrainer(settings(tmp_path, steps=2), tmp_path / "run").train()
    (run / "evaluation_before.jsonl").unlink()
    with pytest.raises(TrainingError, match=r"has checkpoints but not what the start policy did"):
        PPOTrainer(settings(tmp_path, steps=2), tmp_path / "run").train(resume=True)
