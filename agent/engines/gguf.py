"""The gguf engine: GGUF models through llama.cpp in this process.

The model's own chat template renders the messages, and the prompt goes to llama.cpp as tokens, so that what
was counted is what is read. Completions run in the engine's worker thread, one at a time; what they produce
carries on to the stream, and a stream that ends stops its completion after at most one batch of the prompt.
An adapter that is asked for by name has a llama.cpp of its own, loaded on first use: one with the adapter
merged into the weights writes a third faster than one that adds it while it computes.
"""

from collections.abc import Generator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from threading import Event, Lock
from typing import Any

from agent.engines.base import Decoding, FinishReason, Message, Usage
from agent.engines.grammar import checked_grammar, ending_with
from agent.engines.llama_server import Chunk, LlamaServer
from agent.engines.templates import Template, fold_system, join_contents, keeps_system
from agent.engines.text import (
    DEFAULT_CONTEXT_TOKENS,
    PENALTY_WINDOW_TOKENS,
    checked_context,
    checked_prompt_length,
)
from agent.engines.worker import Worker

_PROMPTS_KEPT = 256
_SENTENCEPIECE = 1  # llama.cpp's number for this kind of vocabulary


class GgufEngine:
    """A GGUF model in this process; see `Engine` for the members.

    `adapter` is a LoRA that is always on; each of `adapters` is on where a `Decoding` names it, and `merged`
    has models that stand for this one with such an adapter.
    `obeys_grammar` is False for SentencePiece vocabularies, Phi-3's among them: llama.cpp shows llguidance
    their tokens without the leading space, so that "recipe" may come out as "r ecipe".
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str | None = None,
        context_tokens: int | None = None,
        threads: int | None = None,
        adapter: Path | None = None,
        adapters: Mapping[str, Path] | None = None,
        merged: Mapping[str, Path] | None = None,
        plain: bool = False,
    ) -> None:
        self.name = name or path.stem
        always, named, merged = [adapter] if adapter else [], dict(adapters or {}), merged or {}
        self.adapters = frozenset(named)
        self.adapter_files: tuple[Path, ...] = (*always, *named.values())
        files = {"": (path, always)} | {
            one: (merged[one], always) if one in merged else (path, [*always, lora])
            for one, lora in named.items()
        }
        tokens = context_tokens or DEFAULT_CONTEXT_TOKENS
        self._load = {
            one: partial(LlamaServer, model, tokens, threads, loras) for one, (model, loras) in files.items()
        }
        self._servers: dict[str, LlamaServer] = {}
        self._lock = Lock()
        self._reader = self._server(next(iter(named), ""))  # all of them read text alike
        facts = self._reader.facts()
        self.context_tokens = checked_context(context_tokens, facts["n_ctx_train"], self.name)
        self.obeys_grammar = facts["vocab_type"] != _SENTENCEPIECE
        self._end_token = self._reader.end_token()
        # llama.cpp has a chat template of its own for a model without one, which no base model was trained on
        self._template: Template = join_contents if plain else self._reader.render
        self._folds = not keeps_system(self._template)
        self._worker = Worker()
        self._tokens = lru_cache(maxsize=_PROMPTS_KEPT)(self._tokenize)

    def stream(
        self, messages: Sequence[Message], decoding: Decoding, cancelled: Event | None = None
    ) -> Generator[str | Usage, None, None]:
        """Yield text as llama.cpp produces it, then one Usage; see `Engine.stream`."""
        cancelled = cancelled or Event()
        prompt = self._prompt(messages)
        checked_prompt_length(len(prompt), self.context_tokens)
        request = _request(prompt, decoding)
        if decoding.grammar is not None and self.obeys_grammar:
            request["grammar"] = checked_grammar(ending_with(decoding.grammar, self._end_token))
        complete = partial(self._server(decoding.adapter).complete, request)
        output_tokens = 0
        finish: FinishReason | None = None
        for chunk in self._worker.stream(complete, cancelled):
            choice = _choice(chunk)
            output_tokens = chunk.get("timings", {}).get("predicted_n", output_tokens)
            finish = choice.get("finish_reason") or finish
            if choice.get("text"):
                yield choice["text"]
        yield Usage(len(prompt), output_tokens, finish or "cancelled")

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of the rendered messages, opening of the answer included."""
        return len(self._prompt(messages))

    def close(self) -> None:
        """Wait for the running completion to stop, then free the model."""
        self._worker.close()
        for server in self._servers.values():
            server.close()

    def _server(self, adapter: str) -> LlamaServer:
        """The llama.cpp that has this adapter, loaded now if need be; no such adapter is none."""
        wanted = adapter if adapter in self._load else ""
        with self._lock:
            if wanted not in self._servers:
                self._servers[wanted] = self._load[wanted]()
            return self._servers[wanted]

    def _prompt(self, messages: Sequence[Message]) -> list[int]:
        return self._tokens(tuple((message["role"], message["content"]) for message in messages))

    def _tokenize(self, turns: tuple[tuple[Any, str], ...]) -> list[int]:
        messages: list[Message] = [{"role": role, "content": content} for role, content in turns]
        return self._reader.tokenize(self._template(fold_system(messages) if self._folds else messages))


def _request(prompt: list[int], decoding: Decoding) -> dict[str, Any]:
    """The body of a completion; samplers that `Decoding` does not name are switched off."""
    return {
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


def _choice(chunk: Chunk) -> dict[str, Any]:
    if "error" in chunk:
        raise RuntimeError(f"llama.cpp refused the request: {chunk['error']['message']}")
    choices = chunk["choices"]
    return dict(choices[0]) if choices else {}
