"""A run that judges its checkpoints by held-out rows ends past the best of them, and hands that over."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import kitchen, metrics, settings

from tools.errors import TrainingError
from training.checkpoints import State, whole_checkpoints
from training.trainer import PPOTrainer

JUDGED = (0.1, 0.3, 0.2, 0.3, 0.9)  # the second is the best that a run with patience 2 comes to see


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(kitchen(tmp_path))


def judging(monkeypatch: pytest.MonkeyPatch, rewards: Iterator[float]) -> None:
    monkeypatch.setattr(PPOTrainer, "_held_out_reward", lambda _: next(rewards))


def trainer(run: Path, **changes: Any) -> PPOTrainer:
    changes = {"steps": 5, "checkpoint_every": 1, "value_warmup_steps": 0, "early_stopping": 2, **changes}
    return PPOTrainer(settings(run.parent, **changes), run)


def weights(file: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(file)


def test_a_run_ends_past_its_best_and_hands_that_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judging(monkeypatch, iter(JUDGED))
    run = trainer(tmp_path / "run").train()
    assert [line["step"] for line in metrics(run)] == [1, 2, 3, 4]
    recorded = json.loads((run / "validation.json").read_bytes())
    assert recorded == {"held_out_reward": [[1, 0.1], [2, 0.3], [3, 0.2], [4, 0.3]], "best_step": 2}
    assert [path.name for path in whole_checkpoints(run / "checkpoints")] == [
        f"step-{step:06d}" for step in (2, 3, 4)
    ]
    name = "transformer.h.0.attn.c_attn.weight"
    handed_over = weights(run / "policy/model.safetensors")[name]
    best, last = (
        next(
            tensor
            for key, tensor in weights(run / f"checkpoints/step-{step:06d}/trained.safetensors").items()
            if key.endswith(name)
        )
        for step in (2, 4)
    )
    assert handed_over.equal(best)
    assert not handed_over.equal(last)
    assert "of step 2, the best of 4 on held-out rows" in (run / "report.html").read_text()


def test_a_run_that_was_stopped_ends_past_the_same_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judging(monkeypatch, iter(JUDGED))
    whole = trainer(tmp_path / "whole").train()

    def stopping() -> Iterator[float]:
        yield from JUDGED[:2]
        raise KeyboardInterrupt

    judging(monkeypatch, stopping())
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path / "cut").train()
    judging(monkeypatch, iter(JUDGED[2:]))
    cut = trainer(tmp_path / "cut").train(resume=True)
    for name in ("metrics.jsonl", "validation.json", "evaluation.json", "policy/model.safetensors"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes(), name


def test_what_is_judged_is_the_greedy_reward_on_held_out_rows(tmp_path: Path) -> None:
    run = trainer(tmp_path / "run", early_stopping=9).train()
    recorded = json.loads((run / "validation.json").read_bytes())
    assert [step for step, _ in recorded["held_out_reward"]] == [1, 2, 3, 4, 5]
    after = json.loads((run / "evaluation.json").read_bytes())["temperature_0"]["after"]
    assert max(reward for _, reward in recorded["held_out_reward"]) == pytest.approx(after["reward"]["mean"])


def test_the_first_of_equals_is_the_best() -> None:
    assert (State(0, 0.0).best, State(0, 0.0).since_best) == (None, 0)
    state = State(9, 0.0, ((3, 0.5), (6, 0.5), (9, 0.4)))
    assert (state.best, state.since_best) == (3, 2)


def test_judging_wants_something_to_judge_by(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="give eval_temperatures"):
        settings(tmp_path, early_stopping=1, eval_temperatures=[])
