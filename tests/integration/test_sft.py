"""Supervised fine-tuning with TRL: a tiny GPT-2 of random weights, with GPT-2's real tokenizer."""

import importlib
import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_phi3 import gpt2_tokenizer

from tools.errors import TrainingError
from tools.policy_folder import read_policy
from training.checkpoints import save_checkpoint
from training.config import from_dict
from training.sft import collate, run_sft
from training.supervised_config import SFTConfig
from training.supervised_data import load_examples

FOODS = (
    "eggs",
    "rice",
    "beans",
    "lentils",
    "carrots",
    "peas",
    "noodles",
    "beets",
    "leeks",
    "corn",
    "figs",
    "plums",
)
WAYS = ("boils", "fries", "steams", "bakes")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the model hub has GPT-2's, dropout included, but small and with random weights."""
    import torch
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    tokenizer = AutoTokenizer.from_pretrained(gpt2_tokenizer())
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "tiny-gpt2"
    sizes = GPT2Config(n_layer=2, n_head=2, n_embd=32, n_positions=128, initializer_range=0.1)
    GPT2LMHeadModel(sizes).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def rows_file(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def config(base: Path, tmp_path: Path) -> SFTConfig:
    rows = [
        {"article": f"Today the cook {way} {food} for us.", "summary": "Somebody made lunch."}
        for way in WAYS
        for food in FOODS
    ]
    return SFTConfig(
        model=str(base),
        data=(rows_file(tmp_path / "rows.jsonl", rows),),
        eval_rows=8,
        prompt="summarize_gpt2_cnn",
        max_prompt_tokens=40,
        max_new_tokens=20,
        steps=8,
        learning_rate=1e-2,
    )


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(next(folder.glob("*model.safetensors"))))


def test_a_run_learns_and_its_policy_writes_what_it_was_taught(config: SFTConfig, tmp_path: Path) -> None:
    run = run_sft(replace(config, steps=25), tmp_path / "run")
    told = json.loads((run / "evaluation.json").read_text())
    assert told["before"]["n"] == told["after"]["n"] == 8
    assert told["after"]["loss"] < told["before"]["loss"] - 5
    policy = read_policy(run)
    assert (policy.card.kind, policy.card.base, policy.card.chat) == ("full", "", False)
    assert policy.card.template == "{{text}}\nTL;DR:"
    assert greedy(policy.path, "Today the cook fries beans for us.\nTL;DR:") == (
        " Somebody made lunch.<|endoftext|>"
    )


def greedy(folder: Path, prompt: str) -> str:
    """What plain transformers writes with the weights and tokenizer of a folder."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    read = tokenizer(prompt, return_tensors="pt")
    written = model.generate(**read, max_new_tokens=8, do_sample=False, pad_token_id=0)
    return str(tokenizer.decode(written[0, read.input_ids.shape[1] :]))


def test_a_run_directory_says_each_step_and_holds_no_pickle(config: SFTConfig, tmp_path: Path) -> None:
    run = run_sft(replace(config, steps=3, checkpoint_every=2), tmp_path / "run")
    assert [line["step"] for line in lines(run / "metrics.jsonl")] == [1, 2, 3]
    assert set(lines(run / "metrics.jsonl")[0]) == {
        "step", "loss", "token_accuracy", "entropy", "grad_norm", "learning_rate", "epochs_done",
    }  # fmt: skip
    assert from_dict(SFTConfig, json.loads((run / "config.json").read_text())) == replace(
        config, steps=3, checkpoint_every=2
    )
    assert [path.name for path in sorted((run / "checkpoints").iterdir())] == ["step-000002", "step-000003"]
    assert [path for path in run.rglob("*") if path.suffix in (".pt", ".pth", ".bin", ".pkl")] == []


def test_only_the_tokens_of_the_summary_carry_loss(config: SFTConfig) -> None:
    from training.base_models import load_base

    _, tokenizer = load_base(config.model)
    examples = load_examples(config, tokenizer).train[:3]
    batch = collate([example.columns() for example in examples], tokenizer)
    taught = [tokenizer.decode(row[row != -100]) for row in batch["labels"]]
    read = [
        tokenizer.decode(row[mask == 1])
        for row, mask in zip(batch["input_ids"], batch["attention_mask"], strict=True)
    ]
    for text, whole in zip(taught, read, strict=True):
        assert text == " Somebody made lunch.<|endoftext|>"
        assert whole.endswith(f" for us.\nTL;DR:{text}")


def test_an_adapter_learns_and_leaves_the_base_as_it_was(
    config: SFTConfig, base: Path, tmp_path: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`")  # peft's, of transformers
    before = weights(base)
    run = run_sft(replace(config, lora_rank=8, learning_rate=3e-2, steps=15), tmp_path / "run")
    told = json.loads((run / "evaluation.json").read_text())
    policy = read_policy(run)
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), policy.path)
    inside = adapted.get_base_model().state_dict()
    kept = {name.replace(".base_layer", ""): tensor for name, tensor in inside.items() if "lora" not in name}
    assert told["after"]["loss"] < told["before"]["loss"] - 1
    assert (policy.card.kind, policy.card.base) == ("adapter", config.model)
    assert all(
        kept[f"transformer.{name}" if "transformer" not in name else name].equal(tensor)
        for name, tensor in before.items()
    )
    assert any("lora_B" in name and tensor.abs().sum() > 0 for name, tensor in weights(policy.path).items())


def stop_at(step: int) -> Callable[..., Any]:
    """Checkpoints as ever, until a process is killed before it writes that of a step."""

    def stopping(folder: Path, trained: Any, optimizer: Any, state: Any) -> Any:
        if state.step == step:
            raise KeyboardInterrupt
        return save_checkpoint(folder, trained, optimizer, state)

    return stopping


@pytest.mark.parametrize("rank", [0, 4], ids=["full", "adapter"])
def test_a_run_that_was_stopped_ends_as_one_that_was_not(
    config: SFTConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rank: int
) -> None:
    config = replace(config, steps=6, checkpoint_every=2, lora_rank=rank)
    whole = run_sft(config, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr("training.supervised_run.save_checkpoint", stop_at(4))
        with pytest.raises(KeyboardInterrupt):
            run_sft(config, tmp_path / "stopped")
    assert not (tmp_path / "stopped/policy").exists()
    resumed = run_sft(config, tmp_path / "stopped", resume=True)
    for name in ("metrics.jsonl", "evaluation.json"):
        assert (resumed / name).read_text() == (whole / name).read_text()
    expected = weights(whole / "policy")
    assert all(expected[name].equal(tensor) for name, tensor in weights(resumed / "policy").items())


def test_a_run_tells_nobody_and_writes_nothing_to_stdout(
    config: SFTConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import trl.trainer.base_trainer

    told: list[Any] = []
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(trl.trainer.base_trainer, "send_telemetry", lambda **what: told.append(what))
    run_sft(replace(config, steps=1), tmp_path / "run")
    assert (told, capfd.readouterr()) == ([], ("", ""))


def test_what_a_run_changes_in_trl_is_put_back(config: SFTConfig, tmp_path: Path) -> None:
    utils: Any = importlib.import_module("trl.trainer.utils")
    known = utils._use_triton
    run_sft(replace(config, steps=1), tmp_path / "run")
    assert utils._use_triton is known


def test_micro_batches_learn_what_the_whole_batch_learns(config: SFTConfig, tmp_path: Path) -> None:
    config = replace(config, steps=3)
    whole = lines(run_sft(config, tmp_path / "whole") / "metrics.jsonl")
    parts = lines(run_sft(replace(config, micro_batch_size=2), tmp_path / "parts") / "metrics.jsonl")
    assert [line["loss"] for line in parts] == pytest.approx([line["loss"] for line in whole], rel=1e-4)


@pytest.mark.parametrize("micro_batch_size", [0, 10])
def test_a_completions_opening_weighs_what_it_is_said_to(
    config: SFTConfig, tmp_path: Path, micro_batch_size: int
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    config = replace(config, steps=1, batch_size=40, opening_tokens=2, opening_weight=5.0)
    run = run_sft(replace(config, micro_batch_size=micro_batch_size), tmp_path / "run")
    model: Any = AutoModelForCausalLM.from_pretrained(config.model)  # in eval mode
    examples = load_examples(config, AutoTokenizer.from_pretrained(config.model)).train
    weighed, tokens = 0.0, 0
    for one in examples:
        with torch.no_grad():
            logits = model(torch.tensor([[*one.prompt, *one.completion]])).logits[0, len(one.prompt) - 1 : -1]
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor(one.completion), reduction="none")
        weighed += float(loss.sum() + 4 * loss[:2].sum())
        tokens += len(one.completion)
    assert len(examples) == 40
    assert lines(run / "metrics.jsonl")[0]["loss"] == pytest.approx(weighed / tokens, rel=1e-4)


def test_bfloat16_learns_too(config: SFTConfig, tmp_path: Path) -> None:
    run = run_sft(replace(config, precision="bf16"), tmp_path / "run")
    told = json.loads((run / "evaluation.json").read_text())
    assert told["after"]["loss"] < told["before"]["loss"] - 1
    assert {tensor.dtype.itemsize for tensor in weights(run / "policy").values()} == {4}


def test_a_run_is_not_written_over_and_goes_on_only_as_it_began(config: SFTConfig, tmp_path: Path) -> None:
    config = replace(config, steps=1)
    run = run_sft(config, tmp_path / "run")
    with pytest.raises(TrainingError, match="holds a run already: go on with it by --resume"):
        run_sft(config, run)
    with pytest.raises(TrainingError, match=r"began with learning_rate = 0\.01, not 0\.5"):
        run_sft(replace(config, learning_rate=0.5), run, resume=True)
    shutil.rmtree(run / "policy")
    assert read_policy(run_sft(config, run, resume=True)).card.name == "sft"  # only the end was missing


def test_a_loss_that_is_no_number_ends_the_run_in_one_sentence(config: SFTConfig, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no number after step \d+: lower learning_rate"):
        run_sft(replace(config, learning_rate=1e20), tmp_path / "run")


def test_prompts_are_learned_by_a_run(config: SFTConfig, tmp_path: Path) -> None:
    rows = [{"prompt": f"Question: {food}?\nAnswer:", "completion": f" Boil {food}."} for food in FOODS]
    config = replace(config, data=(rows_file(tmp_path / "rows2.jsonl", rows),), eval_rows=2)
    run = run_sft(config, tmp_path / "run")
    told = json.loads((run / "evaluation.json").read_text())
    assert told["after"]["loss"] < told["before"]["loss"] - 1
    assert read_policy(run).card.template == "{{text}}"
