"""Language models behind one interface: `load_engine("smollm2-135m")`.

A model is a catalogue name, the path of a .gguf file or of a Hugging Face folder, or "openai/NAME" for one
that a server offers. What a file is decides which engine runs it. Engines are imported only when one is
asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from agent.engines.base import Decoding, Engine, FinishReason, Message, Usage
from tools.errors import UsageError

__all__ = ["Decoding", "Engine", "FinishReason", "Message", "Usage", "load_engine"]

DEFAULT_MODEL = "smollm2-135m"
Quantization = Literal["4bit", "8bit"]

_SERVER_PREFIX = "openai/"
_WITHOUT_GPU = {"phi-3-mini": "phi-3-mini-gguf"}  # too large for transformers on a CPU


def load_engine(
    model: str = DEFAULT_MODEL,
    *,
    context_tokens: int | None = None,
    threads: int | None = None,
    quantize: Quantization | None = None,
    base_url: str | None = None,
    adapter: Path | None = None,
) -> Engine:
    """Load a model by catalogue name, path, or "openai/NAME" for a server.

    `quantize` is for Hugging Face folders, `base_url` for servers, `adapter` (a LoRA in GGUF form) for GGUF
    models. Raises SouschefError for an unknown model and for options that the model cannot take.
    """
    if model.startswith(_SERVER_PREFIX):
        _only(model, "a server's model", threads=threads, quantize=quantize, adapter=adapter)
        from agent.engines.openai import OpenAIEngine

        return OpenAIEngine(
            model.removeprefix(_SERVER_PREFIX), base_url=base_url, context_tokens=context_tokens
        )
    from tools.models import model_path

    files = model_path(_for_this_machine(model))
    if files.format == "gguf":
        _only(model, "a GGUF model", quantize=quantize, base_url=base_url)
        from agent.engines.gguf import GgufEngine

        return GgufEngine(
            files.path, name=files.name, context_tokens=context_tokens, threads=threads, adapter=adapter
        )
    _only(model, "a Hugging Face model", base_url=base_url, adapter=adapter)
    from agent.engines.hf import HfEngine

    return HfEngine(
        files.path, name=files.name, context_tokens=context_tokens, threads=threads, quantize=quantize
    )


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
