"""The openai engine: a model behind any OpenAI-compatible server (vLLM, llama-server, Ollama, TGI).

This is how Souschef outgrows one machine: the agent stays as it is. The request runs in an asyncio task,
because cancelling a task closes its connection at once, and servers stop generating when a client hangs up.
Token counts are estimated, as few servers count for others. A grammar is sent only where the user says that
the server takes llguidance's dialect: servers that do not know it answer without it and say nothing.
"""

import asyncio
import math
import os
from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Literal

from agent.engines.base import Decoding, FinishReason, Message, Usage
from agent.engines.grammar import checked_grammar
from agent.engines.server_errors import broken_off, no_model_server, saying_what_the_server_refused
from agent.engines.text import checked_prompt_length
from agent.engines.worker import Emit, Worker
from tools.errors import SouschefError, UsageError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

ServerGrammar = Literal["llama.cpp", "vllm"]  # servers told to take llguidance grammars

DEFAULT_CONTEXT_TOKENS = 8192
_BYTES_PER_TOKEN = 3.5  # English text has about four characters a token; rather too many tokens than too few
_TOKENS_PER_MESSAGE = 5  # role markers of the usual chat templates
_CONNECT_TIMEOUT_S = 5.0
_LOOK_S = 0.05  # how often a waiting request looks whether it was cancelled

Piece = tuple[str, Any]  # text, and a chunk of the server's stream or None


class OpenAIEngine:
    """A server's model; see `Engine` for the members. One stream at a time."""

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        context_tokens: int | None = None,
        grammar: ServerGrammar | None = None,
        answer_timeout_s: float = 120.0,
    ) -> None:
        self.name = model
        self.obeys_grammar = grammar is not None
        self.adapters = frozenset[str]()
        self.adapter_files: tuple[Path, ...] = ()
        self._grammar = grammar
        self._url = _address(base_url)
        self._timeout_s = answer_timeout_s
        self.context_tokens = context_tokens or self._served_context() or DEFAULT_CONTEXT_TOKENS
        self._worker = Worker()
        self._runner = asyncio.Runner()
        self._client: AsyncOpenAI | None = None

    def stream(
        self, messages: Sequence[Message], decoding: Decoding, cancelled: Event | None = None
    ) -> Generator[str | Usage, None, None]:
        """Yield text as the server sends it, then one Usage; see `Engine.stream`."""
        checked_prompt_length(self.count_tokens(messages), self.context_tokens)
        request = self._request(messages, decoding)
        tally = _Tally(self.count_tokens(messages))
        stop = cancelled or Event()
        for text, chunk in self._worker.stream(partial(self._complete, request), stop):
            tally.add(text, chunk)
            if text:
                yield text
        if tally.finish is None and not stop.is_set():
            raise SouschefError(broken_off(self._url))
        yield Usage(tally.input_tokens, tally.output_tokens, tally.finish or "cancelled")

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """An estimate: a token for every 3.5 bytes, and what the chat template adds."""
        size = sum(len(message["content"].encode()) for message in messages)
        return math.ceil(size / _BYTES_PER_TOKEN) + _TOKENS_PER_MESSAGE * (len(messages) + 1)

    def close(self) -> None:
        """Hang up. Calling it twice is harmless."""
        self._worker.close(self._hang_up)

    def _request(self, messages: Sequence[Message], decoding: Decoding) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self.name,
            "messages": list(messages),
            "max_tokens": decoding.max_tokens,
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            "seed": decoding.seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if decoding.stop:
            request["stop"] = list(decoding.stop)
        if extra := self._extensions(decoding):
            request["extra_body"] = extra
        return request

    def _extensions(self, decoding: Decoding) -> dict[str, Any]:
        """What is not in OpenAI's own interface, under the names that the servers gave it."""
        extra: dict[str, Any] = {}
        if decoding.repetition_penalty != 1.0:  # vLLM and TGI say repetition, llama-server says repeat
            extra["repetition_penalty"] = extra["repeat_penalty"] = decoding.repetition_penalty
        if decoding.grammar is not None and self._grammar is not None:
            grammar = checked_grammar(decoding.grammar)
            llama = self._grammar == "llama.cpp"
            extra |= {"grammar": grammar} if llama else {"structured_outputs": {"grammar": grammar}}
        return extra

    # ---- in the worker's thread

    def _complete(self, request: dict[str, Any], emit: Emit[Piece]) -> None:
        with saying_what_the_server_refused(self._url, self.name):
            self._runner.run(self._until_cancelled(request, emit))

    async def _until_cancelled(self, request: dict[str, Any], emit: Emit[Piece]) -> None:
        task = asyncio.create_task(self._read(request, emit))
        while not task.done():
            await asyncio.wait({task}, timeout=_LOOK_S)
            if emit(("", None)):
                task.cancel()
        if not task.cancelled():
            task.result()

    async def _read(self, request: dict[str, Any], emit: Emit[Piece]) -> None:
        if self._client is None:
            from openai import AsyncOpenAI

            self._client = AsyncOpenAI(**self._client_options())
        async with await self._client.chat.completions.create(**request) as chunks:
            async for chunk in chunks:
                text = chunk.choices[0].delta.content if chunk.choices else None
                emit((text or "", chunk))

    def _hang_up(self) -> None:
        if self._client is not None:
            self._runner.run(self._client.close())
            self._client = None
        self._runner.close()

    # ---- once, when the engine is made

    def _client_options(self) -> dict[str, Any]:
        from openai import Timeout

        return {
            "base_url": self._url,
            "api_key": os.environ.get("OPENAI_API_KEY") or "none",  # local servers ask for none
            "timeout": Timeout(self._timeout_s, connect=_CONNECT_TIMEOUT_S),
            "max_retries": 1,
        }

    def _served_context(self) -> int | None:
        """What the server says of the model's context, where it says so."""
        from openai import NotFoundError, OpenAI

        with saying_what_the_server_refused(self._url, self.name), OpenAI(**self._client_options()) as client:
            try:
                models = getattr(client.models.list(), "data", None)
            except NotFoundError:  # a server need not list its models
                return None
            except AttributeError:  # the client trips over what is no JSON object
                models = None
        if not isinstance(models, list):
            raise SouschefError(no_model_server(self._url))
        named = [model for model in models if getattr(model, "id", None) == self.name]
        return _context_of(named[0] if named else models[0]) if named or len(models) == 1 else None


def _context_of(model: Any) -> int | None:
    """vLLM calls it max_model_len, llama-server n_ctx; others keep it to themselves."""
    meta = getattr(model, "meta", None) or {}
    limit = getattr(model, "max_model_len", None) or meta.get("n_ctx")
    return int(limit) if limit else None


class _Tally:
    """Tokens and the reason to finish, as the server reports them, or else counted by pieces of text."""

    def __init__(self, estimated_input: int) -> None:
        self.input_tokens, self.output_tokens = estimated_input, 0
        self.finish: FinishReason | None = None

    def add(self, text: str, chunk: Any) -> None:
        self.output_tokens += bool(text)
        if chunk is None:
            return
        if chunk.choices and chunk.choices[0].finish_reason:
            self.finish = "length" if chunk.choices[0].finish_reason == "length" else "stop"
        if chunk.usage is not None:
            self.input_tokens = chunk.usage.prompt_tokens
            self.output_tokens = chunk.usage.completion_tokens


def _address(base_url: str | None) -> str:
    url = base_url or os.environ.get("OPENAI_BASE_URL")
    if url:
        return url.rstrip("/")
    if os.environ.get("OPENAI_API_KEY"):
        return "https://api.openai.com/v1"
    raise UsageError(
        "No server to ask: set OPENAI_BASE_URL to its address (such as http://localhost:8000/v1), "
        "or OPENAI_API_KEY to use OpenAI's."
    )
