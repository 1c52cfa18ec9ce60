"""`--policy RUN`: runs of every kind summarize, in the engine that suits them, prompted as in training."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tiny_policies import CHAT, PLAIN, gpt2, llama, llama_tokenizer, save, with_lora

from agent.cli import main
from agent.engines import Decoding, Message
from agent.engines.gguf import GgufEngine
from agent.engines.hf import HfEngine
from agent.policy import PromptedPolicy, load_policy
from prompts import fill
from tools.gguf_merge import write_merged
from tools.policy_folder import read_policy
from training.gguf_export import export_gguf

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

TEXT = "The old bridge was built in 1903. It can no longer carry lorries. The council will vote in May."


def full(folder: Path) -> Path:
    return save(folder / "full", *gpt2(), chat=False)


def full_exported(folder: Path) -> Path:
    run = save(folder / "full-exported", *gpt2(), chat=False)
    export_gguf(run, outtype="f32")
    return run


def adapter(folder: Path) -> Path:
    model, tokenizer = llama()
    base = save(folder / "base", model, tokenizer, chat=True) / "policy"
    return save(folder / "adapter", with_lora(model), tokenizer, chat=True, base=str(base))


def adapter_on_gguf(folder: Path) -> Path:
    model, tokenizer = llama()
    base = export_gguf(save(folder / "base", model, tokenizer, chat=True), outtype="f32")
    return save(folder / "adapter-on-gguf", with_lora(model), tokenizer, chat=True, base=str(base))


def adapter_exported(folder: Path) -> Path:
    run = adapter_on_gguf(folder).rename(folder / "adapter-exported")
    export_gguf(run)
    return run


KINDS: dict[Callable[[Path], Path], type] = {
    full: HfEngine,
    full_exported: GgufEngine,
    adapter: HfEngine,
    adapter_on_gguf: HfEngine,
    adapter_exported: GgufEngine,
}


@contextmanager
def loaded(run: Path) -> Iterator[PromptedPolicy]:
    with closing(load_policy(str(run))) as policy:
        yield policy


def ids(policy: PromptedPolicy) -> list[int]:
    """What the model reads of TEXT."""
    engine: Any = policy.engine
    return list(engine._prompt(policy._messages(TEXT)))


@pytest.mark.parametrize("make", KINDS)
def test_runs_of_every_kind_summarize(
    tmp_path: Path, make: Callable[[Path], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run, file = make(tmp_path), tmp_path / "article.txt"
    file.write_text(TEXT)
    with loaded(run) as policy:
        assert type(policy.engine) is KINDS[make]
        written, tokens = policy.write(TEXT), policy.count_tokens(TEXT)
    assert main(["summarize", str(file), "--policy", str(run), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    name = "adapter-on-gguf" if make is adapter_exported else run.name
    assert said == {"summary": written, "policy": name, "input_tokens": tokens, "chunks": 1}
    assert written


@pytest.mark.parametrize("make", [full, full_exported])
def test_a_plain_prompt_reaches_gpt2_as_it_is(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    _, tokenizer = gpt2()
    with loaded(make(tmp_path)) as policy:
        assert ids(policy) == tokenizer(fill(PLAIN, text=TEXT)).input_ids


@pytest.mark.parametrize("make", [adapter, adapter_exported])
def test_a_chat_prompt_is_one_user_message(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    tokenizer = llama_tokenizer()
    messages: list[Message] = [{"role": "user", "content": fill(CHAT, text=TEXT)}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    with loaded(make(tmp_path)) as policy:
        assert ids(policy) == tokenizer(text, add_special_tokens=False).input_ids


def test_the_limits_of_training_hold(tmp_path: Path) -> None:
    with loaded(full(tmp_path)) as policy:
        decoding = policy._prompting.decoding
        assert (policy.max_text_tokens, decoding.max_tokens, decoding.temperature) == (200, 24, 0.0)
        assert decoding.repetition_penalty == 1.0


def test_an_adapter_writes_what_peft_writes(tmp_path: Path) -> None:
    import torch

    run = adapter(tmp_path)
    model = with_lora(llama()[0])
    with loaded(run) as policy:
        engine: Any = policy.engine
        with torch.inference_mode():
            read = torch.tensor([ids(policy)])
            torch.testing.assert_close(engine._model(read).logits, model(read).logits, rtol=1e-3, atol=1e-3)


def test_the_folder_is_plain_transformers_and_plain_peft(tmp_path: Path) -> None:
    import torch
    from peft import PeftModel
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = llama()
    read = torch.tensor([tokenizer(TEXT).input_ids])
    base = save(tmp_path / "base", model, tokenizer, chat=True) / "policy"
    again = AutoModelForCausalLM.from_pretrained(base)
    assert torch.equal(again(read).logits, model(read).logits)
    assert AutoTokenizer.from_pretrained(base)(TEXT).input_ids == tokenizer(TEXT).input_ids
    adapted = with_lora(model)
    folder = save(tmp_path / "run", adapted, tokenizer, chat=True, base=str(base)) / "policy"
    assert torch.equal(PeftModel.from_pretrained(again, folder)(read).logits, adapted(read).logits)
    assert json.loads((folder / "adapter_config.json").read_bytes())["base_model_name_or_path"] == str(base)
    assert load_file(folder / "value_head.safetensors")["weight"].shape == (1, 64)
    assert not list(folder.glob("model*"))


def test_an_adapter_that_does_not_fit_its_base_is_said_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = adapter(tmp_path)
    card = run / "policy" / "policy.json"
    other = save(tmp_path / "other", *gpt2(), chat=False) / "policy"
    card.write_text(json.dumps(json.loads(card.read_bytes()) | {"base": str(other)}))
    (tmp_path / "article.txt").write_text(TEXT)
    assert main(["summarize", str(tmp_path / "article.txt"), "--policy", str(run)]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"souschef: The adapter {run / 'policy'} does not fit its base:")


def test_asking_without_tools_takes_no_policy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "Hello", "--no-tools", "--policy", "smollm2-135m"]) == 2
    assert capsys.readouterr().err == "souschef: With --no-tools nothing summarizes: leave --policy out.\n"


def test_a_run_without_a_policy_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "metrics.jsonl").touch()
    (tmp_path / "article.txt").write_text(TEXT)
    assert main(["summarize", str(tmp_path / "article.txt"), "--policy", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"souschef: {tmp_path} is a run that has not finished: "
        "repeat its `souschef train` command with --resume.\n"
    )


def test_a_named_adapter_is_on_for_the_texts_that_name_it(tmp_path: Path) -> None:
    run = adapter_exported(tmp_path)
    base, lora = read_policy(run).card.base, run / "policy/adapter.gguf"
    read: list[Message] = [{"role": "user", "content": TEXT}]

    def written(engine: GgufEngine, *names: str) -> list[str]:
        with closing(engine):
            told = (engine.stream(read, Decoding(max_tokens=12, adapter=name)) for name in names)
            return ["".join(item for item in items if isinstance(item, str)) for items in told]

    [plain] = written(GgufEngine(Path(base)), "")
    [adapted] = written(GgufEngine(Path(base), adapter=lora), "")
    assert plain != adapted
    write_merged(Path(base), lora, tmp_path / "merged.gguf")
    for merged in ({}, {"ours": tmp_path / "merged.gguf"}):
        named = GgufEngine(Path(base), adapters={"ours": lora}, merged=merged)
        assert named.adapters == {"ours"}
        assert named.adapter_files == (lora,)
        assert written(named, "", "ours", "") == [plain, adapted, plain]
