"""Tiny random policies as training hands them over: GPT-2 and Llama, whole or as an adapter.

Their weights are large enough that the likeliest token is never a near tie; vocabularies are the real ones.
"""

from functools import cache
from pathlib import Path
from typing import Any

from tiny_phi3 import gpt2_tokenizer

from tools.models import model_path
from training.policy_folder import save_policy

CHAT = "Summarize this.\n\n{{text}}"
PLAIN = "{{text}}\nTL;DR:"
LORA_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def gpt2() -> tuple[Any, Any]:
    """A two-layer GPT-2 and the real GPT-2 tokenizer."""
    import torch
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    torch.manual_seed(1)
    config = GPT2Config(n_layer=2, n_head=4, n_embd=64, initializer_range=0.2)
    model: Any = GPT2LMHeadModel(config)
    return model.eval(), AutoTokenizer.from_pretrained(gpt2_tokenizer())


def llama() -> tuple[Any, Any]:
    """A two-layer Llama with grouped queries, and the embedded model's tokenizer and chat template."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(2)
    config = LlamaConfig(
        vocab_size=49152,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        rope_parameters={"rope_type": "default", "rope_theta": 100_000.0},
        initializer_range=0.2,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    model: Any = LlamaForCausalLM(config)
    return model.eval(), llama_tokenizer()


@cache
def llama_tokenizer() -> Any:
    """The embedded model's tokenizer and chat template, out of its GGUF."""
    from transformers import AutoTokenizer

    file = model_path("smollm2-135m").path
    return AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)


def shape_of(file: Path) -> Any:
    """A model of a GGUF file's sizes with random weights, which is quicker than reading the file's own."""
    from transformers import AutoConfig, AutoModelForCausalLM

    load: Any = AutoModelForCausalLM
    return load.from_config(AutoConfig.from_pretrained(file.parent, gguf_file=file.name))


def with_lora(model: Any, seed: int = 3, std: float = 0.1) -> Any:
    """The model below a LoRA that changes what it says: B is random too, where training starts at zero."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    adapted = get_peft_model(
        model, LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=12, target_modules=LORA_TARGETS)
    )
    for name, weight in adapted.named_parameters():
        if ".lora_B." in name:
            torch.nn.init.normal_(weight, std=std)
    return adapted.eval()


def save(run: Path, model: Any, tokenizer: Any, *, chat: bool, base: str = "") -> Path:
    """The run directory of a finished training."""
    import torch

    save_policy(
        run / "policy",
        model,
        tokenizer,
        name=run.name,
        base=base,
        template=CHAT if chat else PLAIN,
        chat=chat,
        max_text_tokens=200,
        max_new_tokens=24,
        value_head=torch.nn.Linear(model.config.hidden_size, 1),
    )
    return run
