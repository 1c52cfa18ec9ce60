"""A run that starts from an earlier one: its adapter goes on as one adapter, its value head is kept."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import END, kitchen, metrics, settings

from tools.errors import TrainingError
from training.config import from_dict
from training.sft import run_sft
from training.supervised_config import SFTConfig
from training.trainer import PPOTrainer

LORA: dict[str, Any] = {"lora_rank": 4, "value_warmup_steps": 0, "steps": 2, "eval_rows": 0}
READ = [5, 9, 12, 7]


@pytest.fixture(scope="module")
def sft(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kitchen with an adapter that has learned something."""
    folder = kitchen(tmp_path_factory.mktemp("sft"))
    config = {
        "model": str(folder / "model"),
        "data": [str(folder / "articles.jsonl")],
        "prompt": "summarize_gpt2_cnn",
        "max_prompt_tokens": 40,
        "max_new_tokens": 8,
        "lora_rank": 4,
        "eval_rows": 3,
        "steps": 4,
        "learning_rate": 1e-2,
    }
    run_sft(from_dict(SFTConfig, config), folder / "sft")
    return folder


def logits(base: Path, adapter: Path) -> Any:
    """What an adapter makes of its base, in plain peft."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter)
    with torch.inference_mode():
        return model(torch.tensor([READ])).logits


def test_ppo_goes_on_with_the_adapter_of_sft_and_refers_to_its_start(sft: Path, tmp_path: Path) -> None:
    import torch

    start = logits(sft / "model", sft / "sft/policy")
    trainer = PPOTrainer(settings(sft, model=str(sft / "sft"), **LORA), tmp_path / "ppo")
    begun = trainer.policy.model(torch.tensor([READ])).logits
    torch.testing.assert_close(begun, start, rtol=1e-5, atol=1e-5)
    trainer.train()
    assert metrics(tmp_path / "ppo")[0]["kl"] == pytest.approx(0, abs=1e-4)
    assert metrics(tmp_path / "ppo")[1]["kl"] != pytest.approx(0, abs=1e-4)
    referred = trainer.policy.reference_logprobs([READ], [[END]])
    torch.testing.assert_close(referred[0, 0], start[0, -1].log_softmax(-1)[END], rtol=1e-4, atol=1e-4)
    ended = trainer.policy.model(torch.tensor([READ])).logits
    assert not torch.allclose(ended, start, atol=1e-3)
    written = tmp_path / "ppo/policy"
    torch.testing.assert_close(logits(sft / "model", written), ended, rtol=1e-5, atol=1e-5)
    assert json.loads((written / "policy.json").read_bytes())["base"] == str(sft / "model")
    assert not (written / "reference").exists()


def test_sft_goes_on_with_an_adapter_too(sft: Path, tmp_path: Path) -> None:
    recorded = json.loads((sft / "sft/config.json").read_bytes())
    run_sft(from_dict(SFTConfig, recorded | {"model": str(sft / "sft")}), tmp_path / "more")
    judged = [json.loads((run / "evaluation.json").read_bytes()) for run in (sft / "sft", tmp_path / "more")]
    assert judged[1]["before"]["n"] == judged[0]["after"]["n"]
    assert json.loads((tmp_path / "more/policy/policy.json").read_bytes())["base"] == str(sft / "model")


def test_an_adapter_of_another_rank_is_named(sft: Path, tmp_path: Path) -> None:
    asked = settings(sft, model=str(sft / "sft"), **(LORA | {"lora_rank": 8}))
    with pytest.raises(TrainingError, match=r"has rank 4, not 8: set lora_rank = 4 to go on with it\.$"):
        PPOTrainer(asked, tmp_path / "run")


def test_a_run_goes_on_with_the_value_head_of_the_one_it_starts_from(sft: Path, tmp_path: Path) -> None:
    import torch

    first = PPOTrainer(settings(sft, model=str(sft / "sft"), **LORA), tmp_path / "first")
    first.train()
    learned = first.policy.value_head.weight
    assert learned.abs().max() > 0
    for model in (tmp_path / "first", tmp_path / "first/policy"):
        second = PPOTrainer(settings(sft, model=str(model), **LORA), tmp_path / "second")
        assert torch.equal(second.policy.value_head.weight, learned)
    shutil.copytree(tmp_path / "first", tmp_path / "none")
    (tmp_path / "none/policy/value_head.safetensors").unlink()
    third = PPOTrainer(settings(sft, model=str(tmp_path / "none"), **LORA), tmp_path / "third")
    assert not third.policy.value_head.weight.any()
