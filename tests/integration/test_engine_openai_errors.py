"""Servers that are none, or that die: one sentence each. Real sockets, no model."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from agent.engines.base import Decoding
from agent.engines.openai import OpenAIEngine
from tools.errors import SouschefError

PAGE = b"<!doctype html><title>Welcome</title>"
HALF = (
    b'data: {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": '
    b'[{"index": 0, "delta": {"content": "Boil"}, "finish_reason": null}]}\n\n'
)
CHUNKED = (("Transfer-Encoding", "chunked"),)


@pytest.fixture(autouse=True)
def _second_tries_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client waits before a second try; what comes of it is the same."""
    monkeypatch.setattr("openai._base_client.SyncAPIClient._sleep_for_retry", lambda *_, **__: None)


@contextmanager
def server(body: bytes, kind: str, headers: tuple[tuple[str, str], ...] = ()) -> Iterator[str]:
    """A server that answers everything with the same bytes and hangs up."""

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            for name, value in (("Content-Type", kind), ("Connection", "close"), *headers):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    served = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    Thread(target=served.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{served.server_port}/v1"
    finally:
        served.shutdown()
        served.server_close()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (PAGE, "text/html"),
        (PAGE, "application/json"),
        (b"[1, 2]", "application/json"),
        (b'{"data": null}', "application/json"),
        (b'{"data": {"id": "m"}}', "application/json"),
        (b"7", "application/json"),
    ],
)
def test_what_lists_no_models_is_no_model_server(body: bytes, kind: str) -> None:
    with server(body, kind) as url, pytest.raises(SouschefError, match=f"What answers at {url} is no model"):
        OpenAIEngine("m", base_url=url)


@pytest.mark.parametrize(
    "address", ["http://[", "http://a:99999999/v1", "localhost:8000", "ftp://a", "not an address"]
)
def test_an_address_that_is_none_is_one_sentence(address: str) -> None:
    with pytest.raises(SouschefError, match=r"is no address of a server|No server answers at"):
        OpenAIEngine("m", base_url=address)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (HALF, ()),
        (b"%x\r\n%b\r\n" % (len(HALF), HALF), CHUNKED),
        (HALF, (("Content-Length", "9999"),)),
    ],
    ids=["closed", "chunked", "length"],
)
def test_a_server_that_dies_in_its_answer_is_one_sentence(
    body: bytes, headers: tuple[tuple[str, str], ...]
) -> None:
    with server(body, "text/event-stream", headers) as url:
        engine = OpenAIEngine("m", base_url=url, context_tokens=512)
        stream = engine.stream([{"role": "user", "content": "Eggs?"}], Decoding(max_tokens=9))
        assert next(stream) == "Boil"
        with pytest.raises(SouschefError, match=f"The server at {url} broke off its answer"):
            list(stream)
        engine.close()


@pytest.mark.parametrize("body", [b"data: <html>\n\n", PAGE])
def test_an_answer_that_is_no_stream_is_one_sentence(body: bytes) -> None:
    with server(body, "text/html") as url:
        engine = OpenAIEngine("m", base_url=url, context_tokens=512)
        with pytest.raises(SouschefError, match=r"is no model server|broke off its answer"):
            list(engine.stream([{"role": "user", "content": "Eggs?"}], Decoding(max_tokens=9)))
        engine.close()
