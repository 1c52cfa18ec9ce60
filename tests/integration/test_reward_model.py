"""Reward models with TRL: a tiny GPT-2 with GPT-2's real tokenizer learns what is preferred."""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from tiny_phi3 import gpt2_tokenizer

from tools.errors import TrainingError
from training.checkpoints import State, save_checkpoint
from training.preferences import load_pairs
from training.reward_model import columns, run_reward_model
from training.reward_models import RewardModel
from training.supervised_config import RewardModelConfig

FOODS = ("eggs", "rice", "beans", "lentils", "carrots", "peas", "noodles", "beets", "leeks", "corn")
GOOD = ("fresh", "tender", "crisp", "sweet")
BAD = ("burnt", "stale", "raw", "bitter")
SAYINGS = (" The {food} are {how} today.", " They serve {how} {food}.", " It is {how}.")


def pairs_file(path: Path, foods: tuple[str, ...]) -> str:
    rows = [
        {
            "prompt": f"How are the {food}?",
            "chosen": saying.format(food=food, how=good),
            "rejected": saying.format(food=food, how=bad),
        }
        for food, saying, (good, bad) in product(foods, SAYINGS, zip(GOOD, BAD, strict=True))
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def config(tmp_path: Path) -> RewardModelConfig:
    import torch
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    tokenizer = AutoTokenizer.from_pretrained(gpt2_tokenizer())
    torch.manual_seed(0)
    base = tmp_path / "tiny-gpt2"
    GPT2LMHeadModel(GPT2Config(n_layer=2, n_head=2, n_embd=32, n_positions=64)).save_pretrained(base)
    tokenizer.save_pretrained(base)
    return RewardModelConfig(
        model=str(base),
        data=(pairs_file(tmp_path / "train.jsonl", FOODS[:7]),),
        eval_data=(pairs_file(tmp_path / "held_out.jsonl", FOODS[7:]),),
        steps=25,
        learning_rate=3e-3,
    )


def told(run: Path) -> Any:
    return json.loads((run / "evaluation.json").read_text(encoding="utf-8"))


def ranked_right(run: Path, config: RewardModelConfig) -> float:
    """The share of held-out pairs that the reward built from this run ranks as they should be."""
    reward = RewardModel(model=str(run))
    pairs = load_pairs(config.eval_data)
    prompts = [pair.prompt for pair in pairs]
    chosen = reward(prompts, [pair.chosen for pair in pairs])
    rejected = reward(prompts, [pair.rejected for pair in pairs])
    return sum(good > bad for good, bad in zip(chosen, rejected, strict=True)) / len(pairs)


@pytest.mark.parametrize("seed", range(3))
def test_it_ranks_held_out_pairs_right_and_the_reward_loads_it(
    config: RewardModelConfig, tmp_path: Path, seed: int
) -> None:
    run = run_reward_model(replace(config, seed=seed), tmp_path / "run")
    assert told(run)["before"]["accuracy"] < 0.9
    assert told(run)["after"] == {
        "n": 36,
        "accuracy": ranked_right(run, config),
        "margin": told(run)["after"]["margin"],
    }
    assert ranked_right(run, config) > 0.9


def test_an_adapter_learns_it_too_and_its_run_holds_a_plain_model(
    config: RewardModelConfig, tmp_path: Path
) -> None:
    run = run_reward_model(replace(config, lora_rank=8, learning_rate=1e-2), tmp_path / "run")
    assert json.loads((run / "model/config.json").read_text())["architectures"] == [
        "GPT2ForSequenceClassification"
    ]
    assert ranked_right(run, config) == told(run)["after"]["accuracy"] > 0.9


def test_metrics_say_each_step_and_no_pickle_is_left(config: RewardModelConfig, tmp_path: Path) -> None:
    run = run_reward_model(replace(config, steps=2), tmp_path / "run")
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert set(lines[0]) == {
        "step", "loss", "accuracy", "margin", "reward", "grad_norm", "learning_rate", "epochs_done",
    }  # fmt: skip
    assert [path for path in run.rglob("*") if path.suffix in (".pt", ".pth", ".bin", ".pkl")] == []


def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    config: RewardModelConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(config, steps=6, checkpoint_every=2)
    whole = run_reward_model(config, tmp_path / "whole")

    def stopping(folder: Path, trained: Any, optimizer: Any, state: State) -> None:
        if state.step == 4:
            raise KeyboardInterrupt
        save_checkpoint(folder, trained, optimizer, state)

    with monkeypatch.context() as patch:
        patch.setattr("training.supervised_run.save_checkpoint", stopping)
        with pytest.raises(KeyboardInterrupt):
            run_reward_model(config, tmp_path / "stopped")
    resumed = run_reward_model(config, tmp_path / "stopped", resume=True)
    for name in ("metrics.jsonl", "evaluation.json", "model/model.safetensors"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes()


def test_a_long_text_loses_its_beginning_and_keeps_its_end(config: RewardModelConfig) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(config.model)
    row = columns(load_pairs(config.data)[:1], tokenizer, 6)[0]
    assert tokenizer.decode(row["chosen_ids"]) == " eggs are fresh today.<|endoftext|>"


def test_held_out_prompts_are_not_trained_on(config: RewardModelConfig, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="Every prompt of data is in eval_data too"):
        run_reward_model(replace(config, eval_data=config.data), tmp_path / "run")
