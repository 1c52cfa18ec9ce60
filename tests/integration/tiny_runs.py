"""Runs of a second or two: a tiny random GPT-2 in hub layout, a few articles of common words, a config.

All around the model is real: its architecture's code, a tokenizer, files, optimizer, rewards.
"""

import json
import random
from pathlib import Path
from typing import Any

from training.config import PPOConfig, from_dict

_SENTENCE = (
    "TL ; DR : the a of and in to is was for on with he she they it bread soup oven water salt pan dough "
    "cook baker kitchen town fire street morning night year said baked ate sold made found new old hot good "
    "three many"
)
WORDS = _SENTENCE.split()
TOKENS = ["<unk>", "<end>", *WORDS]
END = TOKENS.index("<end>")
CONTEXT = 64
SETTINGS: dict[str, Any] = {
    "name": "tiny",
    "model": "model",
    "data": ["articles.jsonl"],
    "eval_rows": 3,
    "max_prompt_tokens": 20,
    "max_new_tokens": 8,
    "steps": 8,
    "batch_size": 4,
    "mini_batch_size": 2,
    "ppo_epochs": 2,
    "learning_rate": 1e-3,
    "value_warmup_steps": 1,
    "kl_target": 0.5,
    "kl_horizon": 100,
    "checkpoint_every": 3,
    "rewards": ["rouge1", "repetition_penalty"],
}


def tokenizer() -> Any:
    """Words of WORDS alone, and an end token."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(TOKENS)}, "<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    make: Any = PreTrainedTokenizerFast
    return make(tokenizer_object=words, eos_token="<end>", unk_token="<unk>")


def gpt2(seed: int = 0, width: int = 32) -> Any:
    """A random GPT-2 of two layers with a context of CONTEXT tokens."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(seed)
    sizes: dict[str, Any] = {"n_positions": CONTEXT, "n_embd": width, "n_layer": 2, "n_head": 2}
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=len(TOKENS), bos_token_id=END, eos_token_id=END, initializer_range=0.2, **sizes)
    )


def ending_at_once() -> Any:
    """A GPT-2 that writes nothing but its end token."""
    import torch

    model = gpt2()
    with torch.no_grad():
        model.transformer.ln_f.weight.zero_()
        model.transformer.ln_f.bias.copy_(100 * model.transformer.wte.weight[END])
    return model


def write_model(folder: Path, model: Any | None = None) -> Path:
    """A folder as the model hub has it."""
    (model or gpt2()).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def write_articles(path: Path, rows: int = 14) -> Path:
    """Articles of 6 to 24 words, some too long for the config's prompts, and summaries of 4."""
    draw = random.Random(0)
    articles = [draw.choices(WORDS[4:], k=draw.randint(6, 24)) for _ in range(rows)]
    lines = [{"article": " ".join(words), "summary": " ".join(words[:4])} for words in articles]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def kitchen(folder: Path, model: Any | None = None) -> Path:
    """A folder to start a run in: model, articles.jsonl, and tiny.toml, whose paths are relative to it."""
    write_model(folder / "model", model)
    write_articles(folder / "articles.jsonl")
    write_config(folder / "tiny.toml")
    return folder


def write_config(path: Path, **changes: Any) -> Path:
    """SETTINGS, with changes, as TOML; JSON's plain values and lists of them are TOML too."""
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in {**SETTINGS, **changes}.items()]
    path.write_text("".join(lines))
    return path


def settings(folder: Path, **changes: Any) -> PPOConfig:
    """SETTINGS, with changes, of a kitchen that need not be the current folder."""
    places = {"model": str(folder / "model"), "data": [str(folder / "articles.jsonl")]}
    return from_dict(PPOConfig, {**SETTINGS, **places, **changes})


def metrics(run: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
