"""Load a causal language model from a folder in Hugging Face layout.

Safetensors only, no code from the folder, nothing fetched. On a GPU the weights are bfloat16 (float16 where
the card lacks it), or 8 or 4 bits wide through bitsandbytes; on a CPU float32, since half precision is slower
on most of them.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tools.errors import ModelFileError, SouschefError

if TYPE_CHECKING:
    import torch

Quantization = Literal["4bit", "8bit"]


def load_model(path: Path, quantize: Quantization | None) -> Any:
    """The model in evaluation mode, on the GPU where there is one."""
    from transformers import AutoModelForCausalLM

    device = _device()
    options: dict[str, Any] = {"dtype": _dtype(device, quantize)}
    if quantize is not None:
        options |= {"quantization_config": _quantization(quantize, device), "device_map": {"": device}}
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            path,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
            **options,
        )
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} cannot be loaded as a language model: {_first_line(error)}") from error
    model, report = loaded
    if report["missing_keys"]:  # transformers fills them with random numbers
        raise ModelFileError(f"{path} lacks weights of a language model: choose one that writes text.")
    return (model if quantize else model.to(device)).eval()


def load_tokenizer(path: Path) -> Any:
    """The folder's fast tokenizer."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} has no tokenizer that loads: {_first_line(error)}") from error
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
            f"Loading in {quantize} needs {' and '.join(missing)}: run `pip install 'souschef[quantized]'`."
        )
    import transformers

    config: Any = transformers.BitsAndBytesConfig
    if quantize == "8bit":
        return config(load_in_8bit=True)
    return config(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=_dtype(device, quantize)
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".") + "."
