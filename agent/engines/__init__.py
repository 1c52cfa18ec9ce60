"""Language models behind one interface: `load_engine("smollm2-135m")`.

A model is a catalogue name, the path of a .gguf file or of a Hugging Face folder, or "openai/NAME" for one
that a server offers. What a file is decides which engine runs it. Engines are imported only when one is
asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from agent.engines.base import Decoding, Engine, FinishReason, Message, Usage
from tools.errors import ModelFileError, SouschefError, UsageError

if TYPE_CHECKING:
    from tools.models import ModelFiles

__all__ = ["Decoding", "Engine", "FinishReason", "Message", "Usage", "load_engine"]

DEFAULT_MODEL = "smollm2-135m"
Quantization = Literal["4bit", "8bit"]
ServerGrammar = Literal["llama.cpp", "vllm"]

_SERVER_PREFIX = "openai/"
_WITHOUT_GPU = {"phi-3-mini": "phi-3-mini-gguf"}  # too large for transformers on a CPU
_QUANTIZED: dict[str, Quantization] = {"phi-3-mini": "8bit"}  # fits a GPU of 6 GB


def load_engine(
    model: str = DEFAULT_MODEL,
    *,
    context_tokens: int | None = None,
    threads: int | None = None,
    quantize: Quantization | None = None,
    base_url: str | None = None,
    server_grammar: ServerGrammar | None = None,
    adapter: Path | None = None,
    plain: bool = False,
) -> Engine:
    """Load a model by catalogue name, path, or "openai/NAME" for a server.

    `quantize` is for Hugging Face folders, `base_url` for servers; `server_grammar` names the kind of a
    server that was set up for llguidance grammars. `adapter` is a LoRA: a .gguf file for a GGUF model, or a
    folder of peft, with which either kind runs in the hf engine; without one a model has those that ship for
    it, each off until a `Decoding` names it. A `plain` model reads the messages' contents without a chat
    template. Raises SouschefError for an unknown model and for options that it cannot take.
    """
    _positive(context_tokens=context_tokens, threads=threads)
    if model.startswith(_SERVER_PREFIX):
        _only(
            model,
            "a server's model",
            threads=threads,
            quantize=quantize,
            adapter=adapter,
            plain=plain or None,
        )
        return _served(model.removeprefix(_SERVER_PREFIX), base_url, context_tokens, server_grammar)
    _only(model, "a local model", base_url=base_url, server_grammar=server_grammar)

    from agent.engines import shipped
    from tools.models import CATALOGUE, model_path

    if model in CATALOGUE and CATALOGUE[model].role == "embedder":
        raise ModelFileError(f"{model} is an embedder and writes no text: choose a language model.")
    of_peft = adapter is not None and adapter.is_dir()
    files = model_path(model if of_peft else _for_this_machine(model))
    if files.format == "gguf":
        _only(model, "a GGUF model", quantize=quantize)
    if files.format == "gguf" and not of_peft:
        from agent.engines.gguf import GgufEngine

        adapters = shipped.for_llama_cpp(files.entry) if adapter is None else {}
        return GgufEngine(
            files.path,
            name=files.name,
            context_tokens=context_tokens,
            threads=threads,
            adapter=adapter,
            adapters=adapters,
            merged=_merged(files, adapters),
            plain=plain,
        )
    from agent.engines.hf import HfEngine

    return HfEngine(
        files.path,
        name=files.name,
        context_tokens=context_tokens,
        threads=threads,
        quantize=quantize or _QUANTIZED.get(model),
        adapter=adapter,
        adapters=shipped.for_transformers(files.path) if adapter is None else None,
        plain=plain,
    )


def adapter_files(model: str) -> tuple[Path, ...]:
    """The adapters that an engine gets by its model's name or path alone: see `Engine.adapter_files`."""
    from agent.engines import shipped
    from tools.models import CATALOGUE, model_path

    if model.startswith(_SERVER_PREFIX):
        return ()
    if model in CATALOGUE:
        return tuple(shipped.for_llama_cpp(CATALOGUE[model]).values())
    files = model_path(model)
    if files.format == "gguf":
        return ()
    return tuple(folder / shipped.WEIGHTS for folder in shipped.for_transformers(files.path).values())


def _merged(files: ModelFiles, adapters: Mapping[str, Path]) -> dict[str, Path]:
    """The model with each adapter merged in; what cannot be kept in the cache is done without."""
    from tools.merged_models import merged_model

    merged = {}
    for name, adapter in adapters.items():
        with suppress(SouschefError):  # a cache that is shared read-only, or a full disk
            merged[name] = merged_model(f"{files.name}-{name}", files.path, files.revision, adapter)
    return merged


def _served(
    name: str, base_url: str | None, context_tokens: int | None, grammar: ServerGrammar | None
) -> Engine:
    if not name:
        raise UsageError("Which of the server's models? Name it after the slash, as in openai/NAME.")
    from agent.engines.openai import OpenAIEngine

    return OpenAIEngine(name, base_url=base_url, context_tokens=context_tokens, grammar=grammar)


def _positive(**numbers: int | None) -> None:
    for option, value in numbers.items():
        if value is not None and value < 1:
            raise UsageError(f"{option} is {value}: choose a number above zero.")


def _only(model: str, kind: str, **refused: object) -> None:
    """Refuse options that this kind of model does not take, instead of passing over them."""
    for option, value in refused.items():
        if value is not None:
            raise UsageError(f"{model} is {kind}, which takes no {option}: leave that option out.")


def _for_this_machine(model: str) -> str:
    if model not in _WITHOUT_GPU:
        return model
    import torch

    return model if torch.cuda.is_available() else _WITHOUT_GPU[model]
