"""The hf engine with tiny random models of Phi-3's and GPT-2's architectures, and their real tokenizers."""

import gc
import json
import re
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Timer
from typing import Any

import pytest
from tiny_phi3 import gpt2_tokenizer, tiny_phi3_folder

from agent.engines import Decoding, Engine, Message, Usage, _for_this_machine, load_engine
from agent.engines.hf import HfEngine
from agent.engines.hf_sampling import nucleus, penalised
from tools.errors import SouschefError, UsageError

SYSTEM: Message = {"role": "system", "content": "You are a cook."}
QUESTION: Message = {"role": "user", "content": "How do I boil an egg?"}
REPLY: Message = {"role": "assistant", "content": "Gently."}
LONG: Message = {"role": "user", "content": "Take eggs, ham and flour. " * 400}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_phi3_folder(tmp_path_factory.mktemp("models") / "tiny-phi3")


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[Engine]:
    engine = load_engine(str(folder))
    yield engine
    engine.close()


def answer(engine: Engine, decoding: Decoding, *messages: Message) -> tuple[str, Usage]:
    *pieces, usage = engine.stream(messages or (SYSTEM, QUESTION), decoding)
    assert isinstance(usage, Usage)
    return "".join(str(piece) for piece in pieces), usage


def rendered(engine: Any, *messages: Message) -> str:
    return str(engine._tokenizer.decode(engine._prompt(messages)))


def test_phi3s_template_gets_the_system_text_in_the_first_user_turn(engine: Engine) -> None:
    text = rendered(engine, SYSTEM, QUESTION, REPLY, QUESTION)
    assert re.sub(r" ?\n", "\n", text) == (
        "<s><|user|>\nYou are a cook.\n\nHow do I boil an egg?<|end|>\n<|assistant|>\n"
        "Gently.<|end|>\n<|user|>\nHow do I boil an egg?<|end|>\n<|assistant|>\n"
    )


def test_text_comes_in_pieces_and_usage_last(engine: Engine) -> None:
    *pieces, usage = engine.stream([SYSTEM, QUESTION], Decoding(max_tokens=12))
    assert len(pieces) > 3
    assert usage == Usage(engine.count_tokens([SYSTEM, QUESTION]), 12, "length")


def test_greedy_text_equals_what_transformers_itself_generates(engine: HfEngine) -> None:
    import torch

    prompt = torch.tensor([engine._prompt([SYSTEM, QUESTION])])
    output = engine._model.generate(prompt, max_new_tokens=12, do_sample=False, pad_token_id=32000)
    expected = engine._tokenizer.decode(output[0, prompt.shape[1] :], skip_special_tokens=True)
    assert answer(engine, Decoding(max_tokens=12))[0] == expected


def test_seeded_text_repeats_and_other_seeds_differ(engine: Engine) -> None:
    sampled = Decoding(max_tokens=24, temperature=1.0, top_p=0.9, seed=7)
    assert answer(engine, sampled) == answer(engine, sampled)
    assert answer(engine, sampled) != answer(engine, Decoding(max_tokens=24, temperature=1.0, seed=8))


def test_a_stop_string_ends_the_text_and_never_shows(engine: Engine) -> None:
    whole, _ = answer(engine, Decoding(max_tokens=40))
    stop = whole[20:32]
    text, usage = answer(engine, Decoding(max_tokens=40, stop=(stop,)))
    assert text == whole[: whole.index(stop)]
    assert usage.finish_reason == "stop"


GRAMMARS = {
    'start: "yes" | "no"': "yes|no",
    'start: "Answer: " WORD\nWORD: /[a-z]{2,5}/': "Answer: [a-z]{2,5}",
    'start: LINE "END"\nLINE: /[A-Za-z ,.]{5,40}/ & ~/.*[Ee]gg.*/': r"(?!.*[Ee]ggEND)[A-Za-z ,.]{5,40}END",
}


@pytest.mark.parametrize("grammar", GRAMMARS)
@pytest.mark.parametrize("seed", range(3))
def test_text_obeys_its_grammar(engine: Engine, grammar: str, seed: int) -> None:
    decoding = Decoding(max_tokens=80, temperature=1.0, seed=seed, grammar=grammar)
    text, usage = answer(engine, decoding)
    assert re.fullmatch(GRAMMARS[grammar], text)
    assert usage.finish_reason == "stop"


def test_tool_arguments_satisfy_their_schema(engine: Engine) -> None:
    schema = {
        "x-guidance": {"whitespace_flexible": False},
        "type": "object",
        "properties": {"query": {"type": "string", "maxLength": 20}, "k": {"enum": [1, 3]}},
        "required": ["query", "k"],
        "additionalProperties": False,
    }
    grammar = f'start: "Action Input: " args\nargs: %json {json.dumps(schema)}'
    text, _ = answer(engine, Decoding(max_tokens=200, temperature=1.0, grammar=grammar))
    args = json.loads(text.removeprefix("Action Input: "))
    assert list(args) == ["query", "k"]
    assert args["k"] in (1, 3)


def test_a_faulty_grammar_and_a_prompt_beyond_the_context_are_refused(engine: Engine) -> None:
    with pytest.raises(ValueError, match="Not a grammar"):
        answer(engine, Decoding(grammar="start: (("))
    with pytest.raises(SouschefError, match="too long"):
        answer(engine, Decoding(), {"role": "user", "content": LONG["content"] * 4})


@pytest.mark.alone
@pytest.mark.parametrize("messages", [[LONG], [QUESTION]], ids=["long prompt", "short prompt"])
def test_cancelling_takes_300_ms_at_most_and_the_next_answer_is_right(
    engine: Engine, messages: list[Message]
) -> None:
    expected, _ = answer(engine, Decoding(max_tokens=6))
    cancelled, set_at = Event(), [0.0]

    def cancel() -> None:
        set_at[0] = time.monotonic()
        cancelled.set()

    Timer(0.15, cancel).start()
    *_, usage = engine.stream(messages, Decoding(max_tokens=1500), cancelled)
    assert time.monotonic() - set_at[0] < 0.3
    assert isinstance(usage, Usage)
    assert usage.finish_reason == "cancelled"
    assert answer(engine, Decoding(max_tokens=6))[0] == expected


def test_a_prompt_being_read_is_left_off_when_its_stream_is_cancelled(engine: HfEngine) -> None:
    cancelled = Event()
    cancelled.set()
    assert [*engine.stream([LONG], Decoding(), cancelled)] == [
        Usage(engine.count_tokens([LONG]), 0, "cancelled")
    ]
    answer(engine, Decoding(max_tokens=1))
    assert len(engine._memory._read) < 100


@pytest.mark.alone
def test_closing_the_iterator_stops_the_work(engine: Engine) -> None:
    stream = engine.stream([QUESTION], Decoding(max_tokens=4000))
    next(stream)
    stream.close()
    began = time.monotonic()
    answer(engine, Decoding(max_tokens=1))
    assert time.monotonic() - began < 3  # 4,000 tokens take five seconds, or more


def test_a_remembered_prompt_changes_nothing_about_the_answer(engine: HfEngine) -> None:
    other: Message = {"role": "user", "content": "How do I boil a potato, and why?"}
    remembered = [
        answer(engine, Decoding(max_tokens=8), *turns) for turns in ([SYSTEM, QUESTION], [SYSTEM, other])
    ]
    fresh = []
    for turns in ([SYSTEM, QUESTION], [SYSTEM, other]):
        engine._memory.clear()
        fresh.append(answer(engine, Decoding(max_tokens=8), *turns))
    assert remembered == fresh


def test_a_prompt_longer_than_the_sliding_window_is_answered_twice_alike(engine: Engine) -> None:
    long: Message = {"role": "user", "content": "Take eggs, ham and flour. " * 300}
    assert engine.count_tokens([long]) > 2047
    assert answer(engine, Decoding(max_tokens=4), long) == answer(engine, Decoding(max_tokens=4), long)


def test_a_closed_engine_holds_no_weights(folder: Path) -> None:
    engine = HfEngine(folder)
    answer(engine, Decoding(max_tokens=2))
    model = weakref.ref(engine._model)
    engine.close()
    gc.collect()
    assert model() is None


@pytest.mark.parametrize("bits", ["8bit", "4bit"])
@pytest.mark.filterwarnings("ignore:MatMul8bitLt")
def test_quantized_weights_answer_under_a_grammar(folder: Path, bits: Any) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed: pip install -e '.[quantized]'")
    engine = load_engine(str(folder), quantize=bits)
    text, _ = answer(engine, Decoding(max_tokens=20, grammar='start: "yes" | "no"'))
    layer = engine._model.model.layers[0].mlp.down_proj  # type: ignore[attr-defined]
    engine.close()
    assert text in ("yes", "no")
    assert type(layer).__name__ == {"8bit": "Linear8bitLt", "4bit": "Linear4bit"}[bits]


def test_quantizing_without_bitsandbytes_names_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.engines.hf_loading.find_spec", lambda _: None)
    with pytest.raises(SouschefError, match=r"pip install -e '.\[quantized\]'"):
        load_engine(str(folder), quantize="8bit")


def test_a_base_model_without_a_chat_template_reads_the_contents_alone(tmp_path: Path) -> None:
    engine = load_engine(str(tiny_gpt2(tmp_path)))
    assert rendered(engine, SYSTEM, QUESTION) == "You are a cook.\n\nHow do I boil an egg?"
    assert answer(engine, Decoding(max_tokens=5))[1].output_tokens == 5
    assert answer(engine, Decoding(max_tokens=20, grammar='start: "yes" | "no"'))[0] in ("yes", "no")
    engine.close()


def test_options_that_a_folder_cannot_take_are_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="reads at most 4096 tokens"):
        load_engine(str(folder), context_tokens=5000)
    with pytest.raises(UsageError, match="takes no adapter"):
        load_engine(str(folder), adapter=folder)


def test_a_penalty_lowers_only_what_was_seen_and_a_nucleus_keeps_the_token_that_crosses() -> None:
    import torch

    assert penalised(torch.tensor([2.0, -2.0, 3.0]), [0, 1, 1], 2.0).tolist() == [1.0, -4.0, 3.0]
    assert nucleus(torch.tensor([0.125, 0.5, 0.25, 0.125]), 0.6).tolist() == [0.0, 0.5, 0.25, 0.0]


def tiny_gpt2(path: Path) -> Path:
    import torch
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config(n_layer=2, n_head=2, n_embd=32)).save_pretrained(path)
    AutoTokenizer.from_pretrained(gpt2_tokenizer()).save_pretrained(path)
    return path


@pytest.mark.parametrize(("gpu", "chosen"), [(True, "phi-3-mini"), (False, "phi-3-mini-gguf")])
def test_phi3_is_a_folder_on_a_gpu_and_a_gguf_file_without_one(
    gpu: bool, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpu)
    assert _for_this_machine("phi-3-mini") == chosen
    assert _for_this_machine("smollm2-135m") == "smollm2-135m"
