"""The openai engine against a real server (llama.cpp's own, on its loopback port) and failing ones."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread, Timer
from typing import Any

import pytest

from agent.engines import Decoding, Engine, Message, Usage, load_engine
from agent.engines.openai import OpenAIEngine
from tools.errors import SouschefError
from tools.models import model_path

QUESTION: Message = {"role": "user", "content": "How do I boil an egg?"}
LONG: Message = {"role": "user", "content": "Take eggs, ham and flour. " * 400}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    import xllamacpp  # type: ignore[import-untyped]

    params = xllamacpp.CommonParams()
    params.model.path = str(model_path("smollm2-135m").path)
    params.n_ctx, params.n_parallel, params.verbosity = 4096, 1, -1
    params.n_batch = params.n_ubatch = 64
    params.api_keys = ["sesame"]
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"
    del server


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sesame")


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = load_engine("openai/smollm2", base_url=url)
    yield engine
    engine.close()


def answer(engine: Engine, decoding: Decoding, *messages: Message) -> tuple[str, Usage]:
    *pieces, usage = engine.stream(messages or (QUESTION,), decoding)
    assert isinstance(usage, Usage)
    return "".join(str(piece) for piece in pieces), usage


def test_text_streams_and_usage_is_the_servers_own(engine: Engine) -> None:
    *pieces, usage = engine.stream([QUESTION], Decoding(max_tokens=12))
    assert len(pieces) > 3
    assert usage == Usage(37, 12, "length")


def test_the_context_is_what_the_server_says_it_is(engine: Engine) -> None:
    assert (engine.name, engine.context_tokens, engine.obeys_grammar) == ("smollm2", 4096, False)


def test_a_seed_repeats_a_text(engine: Engine) -> None:
    sampled = Decoding(max_tokens=24, temperature=1.0, seed=7)
    assert answer(engine, sampled)[0] == answer(engine, sampled)[0]
    assert answer(engine, sampled)[0] != answer(engine, Decoding(max_tokens=24, temperature=1.0, seed=8))[0]


def test_a_stop_string_ends_the_text_and_never_shows(engine: Engine) -> None:
    whole, _ = answer(engine, Decoding(max_tokens=40))
    stop = whole[20:32]
    text, usage = answer(engine, Decoding(max_tokens=40, stop=(stop,)))
    assert (text, usage.finish_reason) == (whole[: whole.index(stop)], "stop")


def test_a_server_set_up_for_grammars_obeys_them(url: str) -> None:
    engine = load_engine("openai/smollm2", base_url=url, server_grammar="llama.cpp")
    assert engine.obeys_grammar
    assert answer(engine, Decoding(max_tokens=20, grammar='start: "yes" | "no"'))[0] in ("yes", "no")
    engine.close()


@pytest.mark.alone
@pytest.mark.parametrize("messages", [[LONG], [QUESTION]], ids=["reading the prompt", "writing the answer"])
def test_cancelling_takes_300_ms_at_most_and_the_server_stops_too(
    engine: Engine, messages: list[Message]
) -> None:
    cancelled, set_at = Event(), [0.0]

    def cancel() -> None:
        set_at[0] = time.monotonic()
        cancelled.set()

    Timer(0.4, cancel).start()
    *_, usage = engine.stream(messages, Decoding(max_tokens=2000, temperature=1.0), cancelled)
    assert time.monotonic() - set_at[0] < 0.3
    assert isinstance(usage, Usage)
    assert usage.finish_reason == "cancelled"
    assert answer(engine, Decoding(max_tokens=1))[1].output_tokens == 1
    assert time.monotonic() - set_at[0] < 6  # the server had ten more seconds of prompt, or more, before it


def test_a_wrong_key_is_one_sentence(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "wrong")
    with pytest.raises(SouschefError, match=r"refuses the key: set OPENAI_API_KEY to one that it knows\.$"):
        load_engine("openai/smollm2", base_url=url)


@pytest.mark.alone
def test_no_server_is_one_sentence_and_soon() -> None:
    began = time.monotonic()
    with pytest.raises(SouschefError, match=r"^No server answers at http://127.0.0.1:9/v1: start it"):
        load_engine("openai/smollm2", base_url="http://127.0.0.1:9/v1")
    assert time.monotonic() - began < 6


FAILURES = {
    404: "has no model 'some-model'",
    429: "takes no more requests now",
    400: "does not take the request: it is odd",
    500: "failed: it is odd",
}


@pytest.mark.parametrize("status", FAILURES)
def test_what_a_server_refuses_is_one_sentence(status: int) -> None:
    with failing_server(status) as url:
        engine = OpenAIEngine("some-model", base_url=url)
        with pytest.raises(SouschefError, match=FAILURES[status]) as refused:
            answer(engine, Decoding(max_tokens=5))
        engine.close()
    assert "\n" not in str(refused.value)


def test_a_server_that_never_answers_is_given_up() -> None:
    with failing_server(0) as url:
        engine = OpenAIEngine("some-model", base_url=url, answer_timeout_s=0.2)
        with pytest.raises(SouschefError, match="does not answer in time"):
            answer(engine, Decoding(max_tokens=5))
        engine.close()


@contextmanager
def failing_server(status: int) -> Iterator[str]:
    """A server that lists its models and fails every completion; status 0 never answers."""
    over = Event()

    class Failing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(200, {"object": "list", "data": [{"id": "some-model", "object": "model"}]})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if status == 0:
                over.wait(10)
            else:
                self._send(status, {"error": {"message": "it is\nodd", "type": "test"}})

        def _send(self, code: int, body: Any) -> None:
            payload = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Failing)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    over.set()
    server.shutdown()
    server.server_close()
