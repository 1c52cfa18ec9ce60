"""The gguf engine: GGUF models through llama.cpp in this process.

The model's own chat template renders the messages, and the prompt goes to llama.cpp as tokens, so that what
was counted is what is read. A completion runs in a thread of its own and hands over chunks through a queue:
the stream can then end at once, whatever llama.cpp is busy with. One stream runs at a time; a second one
waits for its turn.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import Any

from agent.engines.base import Decoding, FinishReason, Message, Usage
from agent.engines.grammar import checked_grammar
from agent.engines.llama_server import Chunk, LlamaServer
from agent.engines.templates import fold_system, keeps_system
from agent.engines.text import PENALTY_WINDOW_TOKENS, checked_prompt_length
from tools.errors import UsageError

DEFAULT_CONTEXT_TOKENS = 4096
_POLL_S = 0.02  # how often a waiting stream looks at its cancel event
_COUNTS_KEPT = 256


class GgufEngine:
    """A GGUF model in this process; see `Engine` for the members."""

    obeys_grammar = True

    def __init__(
        self,
        path: Path,
        *,
        name: str | None = None,
        context_tokens: int | None = None,
        threads: int | None = None,
        adapter: Path | None = None,
    ) -> None:
        self.name = name or path.stem
        self._server = LlamaServer(path, context_tokens or DEFAULT_CONTEXT_TOKENS, threads, adapter)
        self.context_tokens = _context(context_tokens, self._server.trained_context_tokens(), self.name)
        self._folds = not keeps_system(self._server.render)
        self._turn = Lock()
        self._closed = False
        self._tokens = lru_cache(maxsize=_COUNTS_KEPT)(self._tokenize)

    def stream(
        self, messages: Sequence[Message], decoding: Decoding, cancelled: Event | None = None
    ) -> Iterator[str | Usage]:
        """Yield text as llama.cpp produces it, then one Usage; see `Engine.stream`."""
        cancelled = cancelled or Event()
        prompt = self._prompt(messages)
        checked_prompt_length(len(prompt), self.context_tokens)
        request = _request(prompt, decoding)
        if not self._take_turn(cancelled):
            yield Usage(len(prompt), 0, "cancelled")
            return
        completion = _Completion(self._server, request, self._turn)
        try:
            yield from completion.pieces(len(prompt), cancelled)
        finally:
            completion.stop.set()

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the rendered messages, opening of the answer included."""
        return len(self._prompt(messages))

    def close(self) -> None:
        """Wait for the running completion to stop, then free the model."""
        with self._turn:
            if not self._closed:
                self._closed = True
                self._tokens.cache_clear()
                self._server.close()

    def _prompt(self, messages: Sequence[Message]) -> list[int]:
        return self._tokens(tuple((message["role"], message["content"]) for message in messages))

    def _tokenize(self, turns: tuple[tuple[Any, str], ...]) -> list[int]:
        messages: list[Message] = [{"role": role, "content": content} for role, content in turns]
        return self._server.tokenize(self._server.render(fold_system(messages) if self._folds else messages))

    def _take_turn(self, cancelled: Event) -> bool:
        """Wait until no other stream runs; False where this one is cancelled meanwhile."""
        while not cancelled.is_set():
            if self._turn.acquire(timeout=_POLL_S):
                return True
        return False


class _Completion:
    """One completion in its own thread, which holds the engine's turn until llama.cpp has let go of it."""

    def __init__(self, server: LlamaServer, request: dict[str, Any], turn: Lock) -> None:
        self.stop = Event()
        self._server, self._request, self._turn = server, request, turn
        self._chunks: SimpleQueue[Chunk | None] = SimpleQueue()
        Thread(target=self._run, name="gguf-completion").start()

    def pieces(self, input_tokens: int, cancelled: Event) -> Iterator[str | Usage]:
        output_tokens = 0
        finish: FinishReason = "stop"
        while True:
            if cancelled.is_set():
                yield Usage(input_tokens, output_tokens, "cancelled")
                return
            try:
                chunk = self._chunks.get(timeout=_POLL_S)
            except Empty:
                continue
            if chunk is None:
                yield Usage(input_tokens, output_tokens, finish)
                return
            choice = _choice(chunk)
            output_tokens = chunk.get("timings", {}).get("predicted_n", output_tokens)
            finish = choice.get("finish_reason") or finish
            if choice.get("text"):
                yield choice["text"]

    def _run(self) -> None:
        try:
            self._server.complete(self._request, self._take)
        finally:
            self._turn.release()
            self._chunks.put(None)

    def _take(self, chunk: Chunk) -> bool:
        self._chunks.put(chunk)
        return self.stop.is_set()


def _request(prompt: list[int], decoding: Decoding) -> dict[str, Any]:
    """The body of a completion; samplers that `Decoding` does not name are switched off."""
    request: dict[str, Any] = {
        "prompt": prompt,
        "max_tokens": decoding.max_tokens,
        "temperature": decoding.temperature,
        "top_p": decoding.top_p,
        "top_k": 0,
        "min_p": 0.0,
        "repeat_penalty": decoding.repetition_penalty,
        "repeat_last_n": PENALTY_WINDOW_TOKENS,
        "seed": decoding.seed % 0xFFFFFFFF,  # the largest value would ask for a random seed
        "stop": list(decoding.stop),
        "stream": True,
        "cache_prompt": True,
        "return_progress": True,  # a chunk after every batch of the prompt: a place to cancel
        "timings_per_token": True,
    }
    if decoding.grammar is not None:
        request["grammar"] = checked_grammar(decoding.grammar)
    return request


def _choice(chunk: Chunk) -> dict[str, Any]:
    if "error" in chunk:
        raise RuntimeError(f"llama.cpp refused the request: {chunk['error']['message']}")
    choices = chunk["choices"]
    return dict(choices[0]) if choices else {}


def _context(asked: int | None, trained: int, name: str) -> int:
    if asked is not None and asked > trained:
        raise UsageError(f"{name} reads at most {trained} tokens: choose a context of {trained} or fewer.")
    return asked or min(DEFAULT_CONTEXT_TOKENS, trained)
