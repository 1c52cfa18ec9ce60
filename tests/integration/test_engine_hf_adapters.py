"""Named adapters in the hf engine: tiny ones by turns, and those that ship, on the embedded weights."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from tiny_policies import gpt2, llama, save, with_lora

from agent.engines import Decoding, Engine, Message, load_engine
from agent.engines.hf import HfEngine
from agent.evaluation.agent_cases import AgentCase, Expected
from agent.evaluation.agent_turns import AgentParts, TurnOptions, judge_case
from agent.policy import PromptedPolicy
from tools.errors import ModelFileError
from tools.index import embedded_index
from training.base_models import load_base

QUESTION: Message = {"role": "user", "content": "How long do I boil an egg that is to be hard?"}
EMBEDDED_QUESTIONS = {
    "How do I make banana bread?": "recipe_search",
    "I would like a lentil soup": "recipe_search",
    "Good morning! How are you?": "direct",
    "What is the capital of Portugal?": "direct",
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model, tokenizer = llama()
    return save(tmp_path_factory.mktemp("models") / "base", model, tokenizer, chat=True) / "policy"


@pytest.fixture(scope="module")
def adapters(base: Path) -> dict[str, Path]:
    """Two adapters of the tiny model, which make it say different things."""

    def saved(seed: int) -> Path:
        model, tokenizer = llama()
        run = base.parents[1] / f"adapter-{seed}"
        return save(run, with_lora(model, seed), tokenizer, chat=True, base=str(base)) / "policy"

    return {"one": saved(3), "two": saved(4)}


@pytest.fixture(scope="module")
def engine(base: Path, adapters: dict[str, Path]) -> Iterator[HfEngine]:
    with closing(HfEngine(base, adapters=adapters)) as engine:
        yield engine


def answer(engine: Engine, adapter: str = "", max_tokens: int = 12, message: Message = QUESTION) -> str:
    items = engine.stream([message], Decoding(max_tokens=max_tokens, adapter=adapter))
    return "".join(item for item in items if isinstance(item, str))


def alone(base: Path, adapter: Path | None) -> str:
    with closing(HfEngine(base, adapter=adapter)) as engine:
        return answer(engine)


def test_each_text_is_written_with_the_adapter_that_it_names_and_no_other(
    engine: HfEngine, base: Path, adapters: dict[str, Path]
) -> None:
    expected = {"": alone(base, None)} | {name: alone(base, path) for name, path in adapters.items()}
    assert len(set(expected.values())) == 3
    turns = ["", "one", "", "two", "one", "two", ""]
    assert [answer(engine, name) for name in turns] == [expected[name] for name in turns]
    assert engine.adapters == {"one", "two"}


def test_without_a_name_the_numbers_are_those_of_a_plain_load(engine: HfEngine, base: Path) -> None:
    import torch

    answer(engine, "one")
    answer(engine)
    ids = torch.tensor([engine._prompt([QUESTION])])
    with closing(HfEngine(base)) as plain, torch.inference_mode():
        assert torch.equal(engine._model(ids).logits, plain._model(ids).logits)


def test_threads_that_name_different_adapters_take_turns(engine: HfEngine) -> None:
    names = ["one", "two", "", "one", "two", ""]
    expected = [answer(engine, name) for name in names]
    with ThreadPoolExecutor(len(names)) as threads:
        assert list(threads.map(lambda name: answer(engine, name), names)) == expected


def test_a_stream_that_is_cancelled_or_closed_leaves_nothing_switched_on(engine: HfEngine) -> None:
    expected = {name: answer(engine, name) for name in ("", "one", "two")}
    cancelled = Event()
    stream = engine.stream([QUESTION], Decoding(max_tokens=400, adapter="one"), cancelled)
    next(stream)
    cancelled.set()
    list(stream)
    assert answer(engine) == expected[""]
    stream = engine.stream([QUESTION], Decoding(max_tokens=400, adapter="two"))
    next(stream)
    stream.close()
    assert answer(engine, "one") == expected["one"]


def test_a_prompt_is_read_again_where_another_adapter_is_on(engine: HfEngine) -> None:
    long: Message = {"role": "user", "content": "Take eggs, ham and flour. " * 30}
    answer(engine, "one", 4, long)
    remembered = answer(engine, "two", 4, long)
    engine._memory.clear()
    assert answer(engine, "two", 4, long) == remembered


@pytest.mark.parametrize("quantize", [None, "4bit"])
def test_an_adapter_that_is_always_on_stays_on_beside_a_named_one(
    base: Path, adapters: dict[str, Path], quantize: Any
) -> None:
    if quantize:
        pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    with closing(HfEngine(base, adapter=adapters["one"], quantize=quantize)) as engine:
        always = answer(engine)
    two = {"two": adapters["two"]}
    with closing(HfEngine(base, adapter=adapters["one"], adapters=two, quantize=quantize)) as engine:
        written = [answer(engine, name) for name in ("", "two", "")]
    assert written[0] == written[2] == always
    assert written[1] != always


def test_an_adapter_of_another_model_is_said_to_fit_none(tmp_path: Path, adapters: dict[str, Path]) -> None:
    other = save(tmp_path / "other", *gpt2(), chat=False) / "policy"
    with pytest.raises(ModelFileError, match=r"adapter-3/policy does not fit its base"):
        HfEngine(other, adapters=adapters)


def test_peft_is_imported_only_where_there_are_adapters(base: Path) -> None:
    code = (
        "import sys\n"
        "from agent.engines import Decoding, load_engine\n"
        f"engine = load_engine({str(base)!r})\n"
        "list(engine.stream([{'role': 'user', 'content': 'Hi'}], Decoding(max_tokens=2)))\n"
        "print(sorted(engine.adapters), 'peft' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] False\n"


# ---- the embedded model


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model as a folder in Hugging Face layout."""
    folder = tmp_path_factory.mktemp("models") / "SmolLM2-135M-Instruct"
    for part in load_base("smollm2-135m"):
        part.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def embedded(dense: Path) -> Iterator[Engine]:
    with closing(load_engine(str(dense))) as engine:
        yield engine


def first_call(engine: Engine, question: str) -> tuple[str, Any]:
    """The route and the arguments that the agent decides on."""
    parts = AgentParts(engine, embedded_index(), PromptedPolicy(engine))
    case = AgentCase("case", question, Expected("direct"))
    result = judge_case(case, parts, TurnOptions(first_action=True), seed=0)
    return result["route"], result["calls"]


def test_the_shipped_adapter_decides_alike_in_transformers_and_in_llama_cpp(embedded: Engine) -> None:
    with closing(load_engine("smollm2-135m")) as gguf:
        assert embedded.adapters == gguf.adapters
        decided = {question: first_call(gguf, question) for question in EMBEDDED_QUESTIONS}
    assert {question: first_call(embedded, question) for question in EMBEDDED_QUESTIONS} == decided
    assert {question: route for question, (route, _) in decided.items()} == EMBEDDED_QUESTIONS


def test_without_a_name_the_embedded_model_writes_what_it_writes_alone(embedded: Engine, dense: Path) -> None:
    adapted = answer(embedded, "react", 8)
    with closing(HfEngine(dense)) as plain:
        written = answer(plain, max_tokens=8)
    assert answer(embedded, max_tokens=8) == written
    assert adapted != written
