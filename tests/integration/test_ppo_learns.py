"""PPO learns: a reward that anyone can check rises, with several seeds, real tokens and real updates.

The policy is a small GPT-2 of random weights with the real GPT-2 vocabulary, which begins by writing noise.
"""

from pathlib import Path
from statistics import mean
from typing import Any, Literal

import pytest
from tiny_policies import gpt2

from training import PPOConfig, PPOTrainer
from training.data import Row

STEPS = 18
MARGIN = 0.1  # of the share of vowels, which begins near 0.30
ROWS = [
    Row(str(number), f"Loaf number {number} was baked for {number + 20} minutes.", "-")
    for number in range(40)
]


def vowels(prompts: list[str], completions: list[str], **_: Any) -> list[float]:
    """The share of a completion's characters that are vowels."""
    assert len(prompts) == len(completions)
    return [sum(letter in "aeiou" for letter in text) / max(len(text), 1) for text in completions]


@pytest.mark.long
@pytest.mark.parametrize(("seed", "precision"), [(0, "fp32"), (1, "fp32"), (2, "fp32"), (0, "bf16")])
def test_a_checkable_reward_rises(seed: int, precision: Literal["fp32", "bf16"], tmp_path: Path) -> None:
    model, tokenizer = gpt2()
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    config = PPOConfig(
        model=str(tmp_path / "model"),
        max_prompt_tokens=24,
        max_new_tokens=10,
        steps=STEPS,
        batch_size=32,
        mini_batch_size=16,
        ppo_epochs=3,
        learning_rate=1e-2,
        lr_schedule="constant",
        kl_coef=0.0,
        seed=seed,
        precision=precision,
    )
    trainer = PPOTrainer(config, tmp_path / "run", reward=vowels, rows=(ROWS, []))
    rewards = [trainer.step(step)[0]["reward"] for step in range(STEPS)]
    assert mean(rewards[-3:]) > mean(rewards[:3]) + MARGIN, rewards
