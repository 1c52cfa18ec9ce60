"""Load a causal language model from a folder in Hugging Face layout, and LoRA adapters of peft onto it.

Safetensors only, no code from the folder, nothing fetched. On a GPU the weights are bfloat16 (float16 where
the card lacks it), or 8 or 4 bits wide through bitsandbytes; on a CPU float32, since half precision is slower
on most of them. A GGUF file becomes such dense weights too: slower than llama.cpp, for a peft adapter's sake.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agent.engines.hf_adapters import adapted, check_adapter
from tools.errors import ModelFileError, SouschefError
from tools.gguf_reading import folder_and_options, gguf_read_once
from tools.one_at_a_time import one_at_a_time
from tools.weights import why_not_loaded

if TYPE_CHECKING:
    import torch

Quantization = Literal["4bit", "8bit"]


@one_at_a_time
def load_model(
    path: Path,
    quantize: Quantization | None,
    adapter: Path | None = None,
    adapters: Mapping[str, Path] | None = None,
) -> Any:
    """The model in evaluation mode, on the GPU where there is one; adapters are folders of peft.

    `adapter` becomes part of the model; each of `adapters` is there to be switched on.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    named = dict(adapters or {})
    for folder in [*([adapter] if adapter else []), *named.values()]:
        check_adapter(path, folder)
    needed = ["peft"] * bool(adapter or named) + ["gguf"] * (path.suffix == ".gguf")
    if missing := [name for name in needed if find_spec(name) is None]:
        raise SouschefError(f"Loading {path.name} needs more: run `pip install {' '.join(missing)}`.")
    device = _device()
    folder, options = folder_and_options(path)
    options |= {"dtype": _dtype(device, quantize)}
    if path.suffix == ".gguf":
        from transformers import GgufConfig

        options |= {"quantization_config": GgufConfig(dequantize=True)}
    if quantize is not None:
        options |= {"quantization_config": _quantization(quantize, device), "device_map": {"": device}}
    try:
        with gguf_read_once(path):
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
                **options,
            )
    # RuntimeError: weights of other sizes, or no memory for them
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelFileError(
            f"{path} cannot be loaded as a language model: {why_not_loaded(error)}"
        ) from error
    model, report = loaded
    if report["missing_keys"]:  # transformers fills them with random numbers
        raise ModelFileError(f"{path} lacks weights of a language model: choose one that writes text.")
    if adapter or named:
        model = adapted(model, adapter, named, merge=quantize is None)
    return (model if quantize else model.to(device)).eval()


def load_tokenizer(path: Path, adapter: Path | None = None) -> Any:
    """The folder's fast tokenizer, or the one that an adapter was trained with, where it has one."""
    from transformers import AutoTokenizer

    if adapter is not None and (adapter / "tokenizer.json").is_file():
        path = adapter
    folder, options = folder_and_options(path)
    try:
        with gguf_read_once(path):
            tokenizer = AutoTokenizer.from_pretrained(
                folder, trust_remote_code=False, local_files_only=True, **options
            )
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} has no tokenizer that loads: {why_not_loaded(error)}") from error
    if not tokenizer.is_fast:
        raise ModelFileError(f"{path} has no tokenizer.json: save its tokenizer in the fast form.")
    return tokenizer


def end_tokens(model: Any, tokenizer: Any) -> list[int]:
    """Every token that ends an answer: a chat model often has one for the turn and one for the text."""
    found: list[int] = []
    for source in (model.generation_config.eos_token_id, model.config.eos_token_id, tokenizer.eos_token_id):
        ids = source if isinstance(source, list) else [source]
        found += [token for token in ids if token is not None and token not in found]
    return found


def _device() -> str:
    import torch

    return "cuda:0" if torch.cuda.is_available() else "cpu"


def _dtype(device: str, quantize: Quantization | None) -> "torch.dtype":
    import torch

    if quantize == "8bit":
        return torch.float16  # what bitsandbytes' 8-bit products take
    if device == "cpu":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _quantization(quantize: Quantization, device: str) -> Any:
    missing = [package for package in ("bitsandbytes", "accelerate") if find_spec(package) is None]
    if missing:
        raise SouschefError(
            f"Loading in {quantize} needs {' and '.join(missing)}: run `pip install -e '.[quantized]'`."
        )
    import transformers

    config: Any = transformers.BitsAndBytesConfig
    if quantize == "8bit":
        return config(load_in_8bit=True)
    return config(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=_dtype(device, quantize)
    )
