"""llama.cpp in this process, seen through the few calls that the gguf engine makes.

xllamacpp runs llama.cpp's server in threads of this process. Completions go through a callback without any
network; the chat template and the tokenizer have no Python method, so they are asked over the server's
loopback port, which a random key keeps to ourselves. Batches are small because the server looks for a
cancelled request only between two of them.
"""

import http.client
import json
import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agent.engines.base import Message
from agent.engines.templates import TemplateRefused
from tools.errors import ModelFileError, SouschefError, UsageError

Chunk = dict[str, Any]

BATCH_TOKENS = 64  # about 0.3 s of prompt on two old cores; larger batches are no faster there
_PROMPT_CACHE_MIB = 512  # keeps the prompts of two or three conversations that alternate
_CALL_TIMEOUT_S = 60
_LOG_LEVEL = "SOUSCHEF_LLAMA_LOG"  # llama.cpp's own log level, 0 to 5; it is silent without it


class LlamaServer:
    """One GGUF model, loaded, and LoRA adapters, which are always on.

    Raises ModelFileError where llama.cpp does not load the file.
    """

    def __init__(
        self, path: Path, context_tokens: int, threads: int | None, adapters: Sequence[Path]
    ) -> None:
        xllamacpp = _xllamacpp()
        self._key = secrets.token_hex(16)
        params = _parameters(path, context_tokens, threads, adapters)
        params.api_keys = [self._key]
        try:
            self._server: Any = xllamacpp.Server(params)
        except RuntimeError as error:
            raise ModelFileError(
                f"llama.cpp cannot load {path}: choose a whole GGUF file of a chat model, "
                f"or set {_LOG_LEVEL}=3 to read why."
            ) from error
        self._host = urlsplit(self._server.listening_address).netloc

    def complete(self, request: dict[str, Any], on_chunk: Callable[[Chunk], bool]) -> None:
        """Run one completion to its end; `on_chunk` sees every chunk and stops it by returning True."""
        self._server.handle_completions(request, on_chunk)

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt text by the model's own chat template; TemplateRefused where it raises."""
        status, reply = self._call("POST", "/apply-template", {"messages": list(messages)})
        if status != 200:
            raise TemplateRefused(reply["error"]["message"])
        return str(reply["prompt"])

    def tokenize(self, text: str) -> list[int]:
        """Token ids of a prompt, with the tokens that open one."""
        request = {"content": text, "add_special": True, "parse_special": True}
        status, reply = self._call("POST", "/tokenize", request)
        if status != 200:
            raise RuntimeError(f"llama.cpp does not tokenize this text: {reply}")
        return list(reply["tokens"])

    def end_token(self) -> int | None:
        """The token that ends an answer, as the model's file names it."""
        _, reply = self._call("GET", "/props")
        found = self.tokenize(reply["eos_token"]) if reply.get("eos_token") else []
        return found[-1] if found else None

    def facts(self) -> dict[str, Any]:
        """What llama.cpp says of the model: `n_ctx_train`, `vocab_type` and more."""
        _, reply = self._call("GET", "/v1/models")
        return dict(reply["data"][0]["meta"])

    def close(self) -> None:
        """Stop llama.cpp's threads and free the weights.

        Its loop forgets an order to end that came before it began, and would be waited for without end; so
        it answers something first.
        """
        if self._server is not None:
            with suppress(OSError, ValueError):
                self._call("GET", "/lora-adapters")
        self._server = None

    def _call(self, method: str, path: str, body: Chunk | None = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection(self._host, timeout=_CALL_TIMEOUT_S)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()


def _parameters(path: Path, context_tokens: int, threads: int | None, adapters: Sequence[Path]) -> Any:
    xllamacpp = _xllamacpp()
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = context_tokens
    params.n_parallel = 1
    params.n_batch = params.n_ubatch = BATCH_TOKENS
    params.cache_ram_mib = _PROMPT_CACHE_MIB
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads or _usable_cores()
    params.prefill_assistant = False  # a last assistant message is a turn, not the opening of the answer
    params.warmup = False
    params.ui = params.endpoint_slots = False
    params.verbosity = int(os.environ.get(_LOG_LEVEL, "-1"))
    if adapters:
        params.lora_adapters = [_adapter(adapter) for adapter in adapters]
    return params


def _adapter(path: Path) -> Any:
    if path.suffix != ".gguf" or not path.is_file():
        raise UsageError(f"A GGUF model takes a LoRA adapter as a .gguf file, and {path} is none.")
    return _xllamacpp().CommonAdapterLoraInfo(str(path), 1.0)


def _xllamacpp() -> Any:
    # llama.cpp's threads wait for one another by spinning. Where another process wants the cores too,
    # OpenMP's default lets them spin for whole time slices (measured: under 2 tokens/s); too low a bound
    # puts them to sleep hundreds of times a token (24 tokens/s where 61 were possible).
    os.environ.setdefault("GOMP_SPINCOUNT", "30000")
    try:
        import xllamacpp  # type: ignore[import-untyped]
    except ImportError as error:
        raise SouschefError(
            f"llama.cpp cannot start ({error}): where libgomp is missing, install it "
            "(Debian and Ubuntu: `apt install libgomp1`)."
        ) from error
    return xllamacpp


def _usable_cores() -> int:
    """The cores that this process may use, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
