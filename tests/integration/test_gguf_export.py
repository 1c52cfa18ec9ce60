"""Export to GGUF: llama.cpp and transformers read the same tokens and write the same ones."""

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tiny_policies import gpt2, llama, llama_tokenizer, save, shape_of, with_lora

from agent.engines.llama_server import LlamaServer
from tools.errors import TrainingError
from tools.models import model_path
from training.gguf_export import export_gguf

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

PROMPTS = [
    "The old bridge was built in 1903 and can no longer carry lorries.\nTL;DR:",
    "Beat 3 eggs with 125.5 g of sugar; don't stop.\n\n\nThen bake — at 180°C!",
    '  Naïve café 面包, "quoted" text\twith   spaces\n and lines',
    "A",
]
TOKENS = 32


@contextmanager
def loaded(path: Path, adapter: Path | None = None) -> Iterator[LlamaServer]:
    server = LlamaServer(path, 512, 2, [adapter] if adapter else [])
    yield server
    server.close()


def greedy(server: LlamaServer, prompt: list[int]) -> list[int]:
    """The ids that llama.cpp finds likeliest, one after the other, ends of text among them."""
    request = {"prompt": prompt, "n_predict": TOKENS, "temperature": 0.0}
    status, reply = server._call("POST", "/completion", {**request, "return_tokens": True})
    assert status == 200, reply
    return [int(token) for token in reply["tokens"]]


def likeliest(model: Any, prompt: list[int], written: list[int], tolerance: float) -> list[bool]:
    """For each written token, whether transformers finds it likeliest too, or tied with what it does.

    Ties are logits that differ by no more than the tolerance, as a share of the largest: llama.cpp keeps
    keys and values in half precision.
    """
    import torch

    with torch.inference_mode():
        logits = model(torch.tensor([prompt + written])).logits[
            0, len(prompt) - 1 : -1
        ]  # (tokens, vocabulary)
    best = logits.max(-1).values
    own = logits.gather(-1, torch.tensor(written)[:, None])[:, 0]
    return [bool(near) for near in own >= best - tolerance * best.abs()]


@pytest.mark.parametrize("make", [gpt2, llama])
@pytest.mark.parametrize(("outtype", "tolerance"), [("f32", 0.004), ("f16", 0.02)])
def test_llama_cpp_writes_the_tokens_that_transformers_writes(
    tmp_path: Path, make: Any, outtype: Any, tolerance: float
) -> None:
    model, tokenizer = make()
    path = export_gguf(save(tmp_path / "run", model, tokenizer, chat=False), outtype=outtype)
    assert path == tmp_path / "run" / "policy" / "policy.gguf"
    with loaded(path) as server:
        for text in PROMPTS:
            prompt = tokenizer(text).input_ids
            assert server.tokenize(text) == prompt
            written = greedy(server, prompt)
            assert likeliest(model, prompt, written, tolerance) == [True] * TOKENS
            assert len(set(written)) > 3


def test_an_adapter_changes_llama_cpp_as_it_changes_transformers(tmp_path: Path) -> None:
    model, tokenizer = llama()
    base = save(tmp_path / "base", model, tokenizer, chat=True)
    base_file = export_gguf(base, outtype="f32")
    adapted = with_lora(model)
    path = export_gguf(save(tmp_path / "run", adapted, tokenizer, chat=True, base=str(base / "policy")))
    assert path == tmp_path / "run" / "policy" / "adapter.gguf"
    with loaded(base_file, path) as server:
        for text in PROMPTS:
            prompt = tokenizer(text).input_ids
            written = greedy(server, prompt)
            assert likeliest(adapted, prompt, written, tolerance=0.004) == [True] * TOKENS
            with adapted.disable_adapter():
                assert sum(likeliest(adapted, prompt, written, tolerance=0.004)) < TOKENS / 2


def test_a_q8_0_export_is_a_quarter_of_f32_and_writes(tmp_path: Path) -> None:
    run = save(tmp_path / "run", *gpt2(), chat=False)
    whole = export_gguf(run, outtype="f32").stat().st_size
    path = export_gguf(run, outtype="q8_0")
    assert path.stat().st_size < whole / 2
    with loaded(path) as server:
        assert len(greedy(server, server.tokenize(PROMPTS[0]))) == TOKENS


def test_the_chat_template_and_the_special_tokens_go_along(tmp_path: Path) -> None:
    model, tokenizer = llama()
    path = export_gguf(save(tmp_path / "run", model, tokenizer, chat=True), outtype="f16")
    messages: Any = [{"role": "user", "content": "Hello"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    with loaded(path) as server:
        assert server.render(messages) == text
        assert server.tokenize(text) == tokenizer(text, add_special_tokens=False).input_ids
        assert server.facts()["n_vocab"] == 49152


def test_a_split_of_digits_is_told_to_llama_cpp(tmp_path: Path) -> None:
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

    model, _ = llama()
    tokenizer = copy.deepcopy(llama_tokenizer())
    split = Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)])  # as SmolLM2's own
    tokenizer.backend_tokenizer.pre_tokenizer = split
    path = export_gguf(save(tmp_path / "run", model, tokenizer, chat=True), outtype="f16")
    text = "Take:\n\n1 egg,   2 apples"
    with loaded(path) as server:
        assert server.tokenize(text) == tokenizer(text).input_ids


def test_an_adapter_of_the_embedded_model_changes_what_it_writes(tmp_path: Path) -> None:
    base = model_path("smollm2-135m").path
    tokenizer = llama_tokenizer()
    run = save(
        tmp_path / "run", with_lora(shape_of(base), std=0.3), tokenizer, chat=True, base="smollm2-135m"
    )
    path = export_gguf(run)
    prompt = tokenizer("The old bridge was built in").input_ids
    with loaded(base) as server:
        before = greedy(server, prompt)
    with loaded(base, path) as server:
        after = greedy(server, prompt)
    assert (len(before), len(after), before == after) == (TOKENS, TOKENS, False)


def test_what_llama_cpp_would_run_otherwise_is_refused(tmp_path: Path) -> None:
    run = save(tmp_path / "run", *gpt2(), chat=False)
    config = run / "policy" / "config.json"
    said = json.loads(config.read_bytes())
    config.write_text(json.dumps(said | {"activation_function": "relu"}))
    with pytest.raises(TrainingError, match="activation_function 'relu' cannot be exported"):
        export_gguf(run)
    config.write_text(json.dumps(said))
    tokenizer = run / "policy" / "tokenizer.json"
    told = json.loads(tokenizer.read_bytes())
    tokenizer.write_text(json.dumps(told | {"pre_tokenizer": {"type": "Whitespace"}}))
    with pytest.raises(TrainingError, match=r"tokenizer of .* cannot be exported"):
        export_gguf(run)
    assert list((run / "policy").glob("*gguf*")) == []


def test_an_adapter_that_is_more_than_a_plain_lora_is_refused(tmp_path: Path) -> None:
    model, tokenizer = llama()
    run = save(tmp_path / "run", with_lora(model), tokenizer, chat=True, base="smollm2-135m")
    config = run / "policy" / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_bytes()) | {"use_dora": True}))
    with pytest.raises(TrainingError, match="use_dora cannot be exported"):
        export_gguf(run)
