"""Base models to train: the embedded GGUF as dense weights, folders, the hub's cache, what cannot be had."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_phi3 import gpt2_tokenizer
from torch.testing import assert_close

from agent.engines import Message, load_engine
from tools.errors import ModelFileError, TrainingError
from training.base_models import load_base, load_scorer
from training.config import PPOConfig, load_config
from training.lora import with_lora
from training.policy_folder import save_policy
from training.supervised_config import RewardModelConfig, SFTConfig

CONFIGS = Path(__file__).parents[2] / "training/configs"


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like GPT-2's on the model hub, with its dropout, small and random."""
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    folder = tmp_path_factory.mktemp("models") / "gpt2"
    GPT2LMHeadModel(GPT2Config(n_layer=1, n_head=2, n_embd=32)).save_pretrained(folder)
    AutoTokenizer.from_pretrained(gpt2_tokenizer()).save_pretrained(folder)
    return folder


def test_the_embedded_gguf_becomes_dense_weights_that_still_answer() -> None:
    model, tokenizer = load_base("smollm2-135m")
    turns = [{"role": "user", "content": "What is the capital of France?"}]
    read = tokenizer.apply_chat_template(
        turns, add_generation_prompt=True, return_dict=True, return_tensors="pt"
    )
    written = model.generate(**read, max_new_tokens=12, do_sample=False)
    assert (
        tokenizer.decode(written[0, read["input_ids"].shape[1] :])
        == "The capital of France is Paris.<|im_end|>"
    )
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_the_embedded_gguf_is_tokenised_as_llama_cpp_does() -> None:
    tokenizer = load_base("smollm2-135m")[1]
    with closing(load_engine("smollm2-135m")) as engine:
        for text in ("\n\n1 cup", "In 1912, 350 people", "2026-11-20 at 7:30", "½ of 12.50"):
            turns: list[Message] = [{"role": "user", "content": text}]
            rendered = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)
            assert engine.count_tokens(turns) == len(rendered["input_ids"]), text


def test_dropout_is_off_and_gpt2_pads_with_its_end_token(gpt2: Path) -> None:
    import torch

    model, tokenizer = load_base(str(gpt2))
    model.train()
    ids = torch.tensor([[1, 2, 3]])
    assert torch.equal(model(ids).logits, model(ids).logits)
    assert tokenizer.pad_token == tokenizer.eos_token == "<|endoftext|>"
    assert tokenizer("a<|endoftext|>").attention_mask == [1, 1]


def test_a_frozen_base_may_be_half_as_wide(gpt2: Path) -> None:
    import torch

    assert load_base(str(gpt2), precision="bf16")[0].dtype == torch.bfloat16


@pytest.mark.parametrize("bits", ["4bit", "8bit"])
def test_a_base_is_quantized_on_request(gpt2: Path, bits: Any) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    layer = load_base(str(gpt2), bits)[0].transformer.h[0].mlp.c_fc
    assert type(layer).__name__ == {"8bit": "Linear8bitLt", "4bit": "Linear4bit"}[bits]


def test_a_scorer_has_one_output_on_the_trunk_of_a_language_model(gpt2: Path) -> None:
    model, tokenizer = load_scorer(str(gpt2))
    base, _ = load_base(str(gpt2))
    assert model.score.out_features == 1
    assert model.config.pad_token_id == tokenizer.pad_token_id
    assert model.transformer.wte.weight.equal(base.transformer.wte.weight)


def test_a_name_of_the_hub_is_taken_from_the_clients_cache(
    gpt2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants as hub

    cached = tmp_path / "models--someone--tiny"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs/main").write_text("0" * 40)
    (cached / "snapshots").mkdir()
    (cached / "snapshots" / ("0" * 40)).symlink_to(gpt2)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    assert load_base("someone/tiny")[0].config.n_embd == 32
    with pytest.raises(ModelFileError, match="nobody/nothing is not on this machine, and the model hub"):
        load_base("nobody/nothing")


def test_what_cannot_be_trained_is_said_in_one_sentence(gpt2: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no model named 'smollm': did you mean smollm2-135m"):
        load_base("smollm")
    with pytest.raises(TrainingError, match="becomes dense weights to train: leave quantize empty"):
        load_base("smollm2-135m", "4bit")
    (tmp_path / "model.safetensors").write_bytes((gpt2 / "model.safetensors").read_bytes())
    (tmp_path / "config.json").write_text((gpt2 / "config.json").read_text())
    with pytest.raises(ModelFileError, match=r"has no tokenizer\.json: save"):
        load_base(str(tmp_path))


def test_a_classifier_is_no_language_model(tmp_path: Path) -> None:
    from transformers import BertConfig, BertForSequenceClassification

    sizes: Any = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    BertForSequenceClassification(BertConfig(**sizes)).save_pretrained(tmp_path)
    with pytest.raises(ModelFileError, match="choose one that writes text"):
        load_base(str(tmp_path))


def test_the_configs_that_ship_are_read() -> None:
    assert load_config(SFTConfig, CONFIGS / "sft_summaries.toml").lora_rank == 16
    assert load_config(RewardModelConfig, CONFIGS / "reward_model.toml").center_rewards == 0.01
    with pytest.raises(TrainingError, match="did you mean 'batch_size'"):
        load_config(SFTConfig, CONFIGS / "sft_summaries.toml", ["batchsize=4"])
    with pytest.raises(TrainingError, match="micro_batch_size 3 does not divide batch_size 8"):
        load_config(SFTConfig, CONFIGS / "sft_summaries.toml", ["micro_batch_size=3"])


def test_training_goes_on_from_an_earlier_runs_policy(gpt2: Path, tmp_path: Path) -> None:
    """Of an adapter the base with the adapter added; of full weights these."""
    from peft import PeftModel

    base, tokenizer = load_base(str(gpt2))
    settings = PPOConfig(lora_rank=2, seed=1)
    adapted = with_lora(base, settings, "CAUSAL_LM")
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.1)
    ids = torch.arange(10)[None]
    wanted = adapted(input_ids=ids).logits
    card: dict[str, Any] = {"name": "x", "base": str(gpt2), "template": "{{text}}", "chat": False}
    save_policy(tmp_path / "run/policy", adapted, tokenizer, **card, max_text_tokens=9, max_new_tokens=9)
    merged, _ = load_base(str(tmp_path / "run"))
    assert not isinstance(merged, PeftModel)
    assert_close(merged(input_ids=ids).logits, wanted, rtol=1e-3, atol=1e-3)
