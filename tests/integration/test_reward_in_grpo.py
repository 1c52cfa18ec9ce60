"""The same reward functions under TRL's GRPOTrainer: called as they are, they move a policy's weights."""

from pathlib import Path
from typing import Any

import pytest
from tiny_phi3 import gpt2_tokenizer

from training.config import RewardSpec
from training.rewards import build_rewards, repetition_penalty, rouge1

ROWS = [
    {"prompt": "Fry the ham in butter. TL;DR:", "article": "Fry the ham in butter.", "summary": "Fried ham."},
    {"prompt": "Boil two eggs. TL;DR:", "article": "Boil two eggs.", "summary": "Boiled eggs."},
]
CHATS = [row | {"prompt": [{"role": "user", "content": row["prompt"]}]} for row in ROWS]
CHAT_TEMPLATE = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"

# TRL asks transformers for it by its old name
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def share_of_e(prompts: list[str], completions: list[str], **columns: Any) -> list[float]:
    """What a user might write: how much of the text is the letter e."""
    assert len(prompts) == len(columns["article"])
    return [text.count("e") / max(len(text), 1) for text in completions]


def grpo(folder: Path, rewards: list[Any], rows: list[dict[str, Any]]) -> Any:
    """A trainer of a tiny random GPT-2 for two steps of four completions."""
    import torch
    from datasets import Dataset
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    torch.manual_seed(0)
    tokenizer: Any = AutoTokenizer.from_pretrained(gpt2_tokenizer())
    tokenizer.pad_token, tokenizer.chat_template = tokenizer.eos_token, CHAT_TEMPLATE
    model = GPT2LMHeadModel(GPT2Config(n_embd=16, n_layer=1, n_head=2, n_positions=64))
    sizes: dict[str, Any] = {
        "per_device_train_batch_size": 4,
        "num_generations": 4,
        "max_completion_length": 12,
    }
    sizes |= {"max_steps": 2, "logging_steps": 1, "learning_rate": 1e-2, "disable_tqdm": True, "seed": 0}
    machine: dict[str, Any] = {"use_cpu": True, "bf16": False, "report_to": "none", "save_strategy": "no"}
    machine |= {"gradient_checkpointing": None}  # TRL sets it, and transformers warns of the old name
    return GRPOTrainer(
        model=model,
        reward_funcs=rewards,
        args=GRPOConfig(output_dir=str(folder), **sizes, **machine),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )


def trained(trainer: Any) -> tuple[float, dict[str, float]]:
    """How far the weights moved at most, and the first step's log."""
    before = {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}
    trainer.train()
    moved = max(
        float((weight.detach() - before[name]).abs().max())
        for name, weight in trainer.model.named_parameters()
    )
    return moved, trainer.state.log_history[0]


@pytest.mark.parametrize("rows", [ROWS, CHATS], ids=["texts", "chats"])
def test_a_config_s_sum_of_rewards_trains_under_grpo(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    specs = [RewardSpec("rouge1"), RewardSpec("length_penalty", 0.5, {"target_words": 6})]
    reward = build_rewards(specs)
    moved, log = trained(grpo(tmp_path, [reward], rows))
    assert moved > 1e-3
    assert {name: len(scores) for name, scores in reward.parts.items()} == {"rouge1": 4, "length_penalty": 4}
    assert log["rewards/reward/mean"] < 0.5  # a random policy is far from 6 words that fit


def test_ready_made_rewards_and_ones_own_train_under_grpo_side_by_side(tmp_path: Path) -> None:
    moved, log = trained(grpo(tmp_path, [rouge1, repetition_penalty, share_of_e], ROWS))
    assert moved > 1e-3
    assert [f"rewards/{name}/mean" in log for name in ("rouge1", "repetition_penalty", "share_of_e")] == [
        True
    ] * 3
    assert log["rewards/share_of_e/mean"] > 0
