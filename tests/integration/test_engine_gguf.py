"""The gguf engine with the embedded model: streaming, grammars, cancelling, counting."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread, Timer

import pytest
from tiny_phi3 import tiny_phi3_gguf

from agent.engines import Decoding, Engine, Message, Usage, load_engine
from agent.engines.gguf import GgufEngine
from agent.engines.llama_server import LlamaServer
from tools.errors import ModelFileError, SouschefError, UsageError
from tools.models import model_path
from tools.untrusted import neutralise

SYSTEM: Message = {"role": "system", "content": "You are a cook."}
QUESTION: Message = {"role": "user", "content": "How do I boil an egg?"}
LONG: Message = {"role": "user", "content": "Take eggs, ham and flour. " * 400}  # seconds of prompt to read


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = load_engine("smollm2-135m")
    yield engine
    engine.close()


def answer(engine: Engine, decoding: Decoding, *messages: Message) -> tuple[str, Usage]:
    *pieces, usage = engine.stream(messages or (SYSTEM, QUESTION), decoding)
    assert isinstance(usage, Usage)
    return "".join(str(piece) for piece in pieces), usage


def test_text_comes_in_pieces_and_usage_last(engine: Engine) -> None:
    *pieces, usage = engine.stream([SYSTEM, QUESTION], Decoding(max_tokens=12))
    assert len(pieces) > 3
    assert all(isinstance(piece, str) for piece in pieces)
    assert usage == Usage(engine.count_tokens([SYSTEM, QUESTION]), 12, "length")


def test_counted_tokens_include_the_chat_template(engine: Engine) -> None:
    empty = engine.count_tokens([{"role": "system", "content": "."}, {"role": "user", "content": ""}])
    hello = engine.count_tokens([{"role": "system", "content": "."}, {"role": "user", "content": "Hello"}])
    # <|im_start|> system \n . <|im_end|> \n, the same with user, <|im_start|> ass istant \n
    assert (empty, hello) == (15, 16)


def test_no_special_token_of_the_vocabulary_survives_in_what_others_wrote() -> None:
    from gguf import GGUFReader

    fields = GGUFReader(model_path("smollm2-135m").path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    kinds = fields["tokenizer.ggml.token_type"].contents()
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind in (3, 4)]  # control, added
    assert len(special) == 17
    assert [token for token in special if token in neutralise(f"Stir {token} well.")] == []


def test_greedy_text_and_seeded_text_repeat_and_other_seeds_differ(engine: Engine) -> None:
    sampled = Decoding(max_tokens=24, temperature=1.0, seed=7)
    assert answer(engine, Decoding(max_tokens=8)) == answer(engine, Decoding(max_tokens=8))
    assert answer(engine, sampled) == answer(engine, sampled)
    assert answer(engine, sampled) != answer(engine, Decoding(max_tokens=24, temperature=1.0, seed=8))


def test_a_stop_string_ends_the_text_and_never_shows(engine: Engine) -> None:
    whole, _ = answer(engine, Decoding(max_tokens=40))
    stop = whole[20:32]  # cuts through words, and so through tokens
    text, usage = answer(engine, Decoding(max_tokens=40, stop=(stop,)))
    assert text == whole[: whole.index(stop)]
    assert usage.finish_reason == "stop"


def test_a_repetition_penalty_breaks_a_loop(engine: Engine) -> None:
    loop: Message = {"role": "user", "content": "Repeat the word egg forever: egg egg egg egg"}
    plain, _ = answer(engine, Decoding(max_tokens=60), loop)
    penalised, _ = answer(engine, Decoding(max_tokens=60, repetition_penalty=1.5), loop)
    assert penalised.count("egg") < plain.count("egg")


GRAMMARS = {
    'start: "yes" | "no"': "yes|no",
    'start: "Answer: " WORD\nWORD: /[a-z]{2,5}/': "Answer: [a-z]{2,5}",
    'start: LINE "END"\nLINE: /[A-Za-z ,.]{5,40}/ & ~/.*[Ee]gg.*/': r"(?!.*[Ee]ggEND)[A-Za-z ,.]{5,40}END",
}


@pytest.mark.parametrize("grammar", GRAMMARS)
@pytest.mark.parametrize("seed", range(3))
def test_text_obeys_its_grammar(engine: Engine, grammar: str, seed: int) -> None:
    decoding = Decoding(max_tokens=60, temperature=1.5, seed=seed, grammar=grammar)
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
    text, _ = answer(engine, Decoding(max_tokens=80, grammar=grammar))
    args = json.loads(text.removeprefix("Action Input: "))
    assert list(args) == ["query", "k"]
    assert len(args["query"]) <= 20
    assert args["k"] in (1, 3)


@pytest.mark.parametrize("adapter", ["", "react"])
def test_a_text_of_free_length_ends_where_it_would_without_a_grammar(engine: Engine, adapter: str) -> None:
    free = Decoding(max_tokens=100, adapter=adapter)
    text, usage = answer(engine, free, {"role": "user", "content": "Say hello to me."})
    bound = replace(free, grammar=r"start: /(?s:.)+/")
    again, spent = answer(engine, bound, {"role": "user", "content": "Say hello to me."})
    assert (again, spent.output_tokens) == (text, usage.output_tokens)
    assert spent.finish_reason == usage.finish_reason
    assert usage.finish_reason == "stop" or not adapter  # without one the model goes on for long


def test_a_faulty_grammar_is_an_error_and_not_free_text(engine: Engine) -> None:
    with pytest.raises(ValueError, match="Not a grammar"):
        answer(engine, Decoding(grammar="start: (("))


@pytest.mark.alone
def test_a_prompt_longer_than_the_context_is_refused_at_once(engine: Engine) -> None:
    began = time.monotonic()
    with pytest.raises(SouschefError, match="too long"):
        answer(engine, Decoding(), {"role": "user", "content": LONG["content"] * 4})
    assert time.monotonic() - began < 1


@pytest.mark.alone
@pytest.mark.parametrize("messages", [[LONG], [QUESTION]], ids=["reading the prompt", "writing the answer"])
def test_cancelling_takes_300_ms_at_most_and_the_next_answer_is_right(
    engine: Engine, messages: list[Message]
) -> None:
    expected, _ = answer(engine, Decoding(max_tokens=6))
    cancelled, set_at = Event(), [0.0]

    def cancel() -> None:
        set_at[0] = time.monotonic()
        cancelled.set()

    Timer(0.4, cancel).start()
    *_, usage = engine.stream(messages, Decoding(max_tokens=2000, grammar=r"start: /(.|\n)+/"), cancelled)
    assert time.monotonic() - set_at[0] < 0.3
    assert isinstance(usage, Usage)
    assert usage.finish_reason == "cancelled"
    assert answer(engine, Decoding(max_tokens=6))[0] == expected


@pytest.mark.alone
def test_the_request_after_a_cancelled_prompt_waits_for_one_batch_only(engine: Engine) -> None:
    cancelled = Event()
    Timer(0.4, cancelled.set).start()
    list(engine.stream([LONG], Decoding(), cancelled))
    began = time.monotonic()
    answer(engine, Decoding(max_tokens=1))
    assert time.monotonic() - began < 6  # reading the rest of LONG would take ten seconds, or more


@pytest.mark.alone
def test_closing_the_iterator_stops_the_work(engine: Engine) -> None:
    stream = engine.stream([QUESTION], Decoding(max_tokens=4000, grammar=r"start: /(.|\n)+/"))
    next(stream)
    stream.close()
    began = time.monotonic()
    answer(engine, Decoding(max_tokens=1))
    assert time.monotonic() - began < 10  # writing on for 4,000 tokens would take forty seconds, or more


def test_two_threads_take_turns_and_get_the_same_text(engine: Engine) -> None:
    texts: list[str] = []
    threads = [
        Thread(target=lambda: texts.append(answer(engine, Decoding(max_tokens=8))[0])) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == [answer(engine, Decoding(max_tokens=8))[0]] * 2


@pytest.mark.alone
def test_a_prompt_that_continues_the_last_one_is_not_read_again(engine: Engine) -> None:
    head = LONG["content"][:4000]
    times = []
    for question in ("What is this?", "What should I cook?"):
        began = time.monotonic()
        answer(engine, Decoding(max_tokens=1), {"role": "user", "content": head + question})
        times.append(time.monotonic() - began)
    assert times[1] < times[0] / 2


def test_llama_cpp_writes_nothing_to_the_terminal() -> None:
    code = (
        "from agent.engines import Decoding, load_engine\n"
        "engine = load_engine('smollm2-135m')\n"
        "list(engine.stream([{'role': 'user', 'content': 'Hi'}], Decoding(max_tokens=3)))\n"
        "engine.close(); engine.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_the_loopback_port_is_closed_to_who_has_no_key(engine: Engine) -> None:
    import http.client

    server: LlamaServer = engine._reader  # type: ignore[attr-defined]
    connection = http.client.HTTPConnection(server._host, timeout=5)
    connection.request("POST", "/tokenize", '{"content": "hi"}', {"Content-Type": "application/json"})
    assert connection.getresponse().status == 401
    connection.close()


def test_a_file_that_is_no_model_is_refused_in_one_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\0" * 4096)
    with pytest.raises(ModelFileError, match=r"cannot load .*broken\.gguf"):
        LlamaServer(broken, 512, None, [])


def test_a_context_beyond_the_trained_one_is_refused() -> None:
    with pytest.raises(UsageError, match="reads at most 8192 tokens"):
        load_engine("smollm2-135m", context_tokens=10_000)


def test_a_phi3_model_gets_its_own_template_with_the_system_text_in_it(
    tmp_path: Path,
) -> None:
    engine = load_engine(str(tiny_phi3_gguf(tmp_path / "tiny-phi3.gguf")))
    assert isinstance(engine, GgufEngine)
    text = engine._reader.render([SYSTEM, QUESTION, {"role": "assistant", "content": "Gently."}, QUESTION])
    assert text == (
        "<|user|>\nYou are a cook.\nHow do I boil an egg?<|end|>\n<|assistant|>\n"
        "Gently.<|end|>\n<|user|>\nHow do I boil an egg?<|end|>\n<|assistant|>\n"
    )
    assert engine._prompt([QUESTION])[:2] == [1, 32010]  # <s> <|user|>
    assert answer(engine, Decoding(max_tokens=5))[1].output_tokens == 5
    assert not engine.obeys_grammar
    engine.close()
