"""Base models to train: a causal language model, or a scorer on one's trunk, and its tokenizer.

A model is a catalogue name, a path, or OWNER/NAME on the model hub. A GGUF becomes dense weights; its
tokenizer and chat template come out of the same file. Safetensors and GGUF alone, no code of a repository,
dropout off (ratios of PPO are 1 until the weights move). Left out: weights spread over several devices, since
what is trained here fits on one.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any, Literal

from tools.errors import ModelFileError, TrainingError
from tools.files import expanded
from tools.gguf_reading import folder_and_options, gguf_read_once, read_gguf
from tools.models import CATALOGUE, model_path
from tools.one_at_a_time import loading, one_at_a_time
from tools.policy_folder import PolicyFolder, is_policy, read_policy
from tools.weights import why_not_loaded

Quantization = Literal["", "4bit", "8bit"]
Precision = Literal["fp32", "bf16"]

_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
_HUB_FILES = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "tokenizer.model", "*.jinja")
_VOCABULARIES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")  # or an empty one is made
_NOT_FROM_HUB = ("onnx/*", "openvino/*", "*/*.safetensors")


def load_base(model: str, quantize: Quantization = "", precision: Precision = "fp32") -> tuple[Any, Any]:
    """A transformers causal language model and its tokenizer, on the CPU, or where it was quantized to.

    `precision` is what the weights are kept in: weights that are trained themselves want "fp32" (in bfloat16
    small steps are rounded away), a frozen base below an adapter may be "bf16". Raises ModelFileError for a
    model that cannot be had or read, TrainingError for a quantization that does not fit it.
    """
    from transformers import AutoModelForCausalLM

    policy = _policy_at(model)
    if policy and policy.card.kind == "adapter":
        return _merged(policy, quantize, precision)
    model = str(policy.path) if policy else model
    path = base_path(model)
    with loading(), gguf_read_once(path):
        loaded, report = _load(AutoModelForCausalLM, path, quantize, precision)
        if report["missing_keys"]:  # transformers fills them with random numbers
            raise ModelFileError(f"{model} lacks weights of a language model: choose one that writes text.")
        return loaded, load_tokenizer(path)


def adapter_at(model: str) -> PolicyFolder | None:
    """The adapter of an earlier run, where `model` names such a run."""
    policy = _policy_at(model)
    return policy if policy and policy.card.kind == "adapter" else None


def _policy_at(model: str) -> PolicyFolder | None:
    if model in CATALOGUE or not is_policy(expanded(model)):
        return None
    return read_policy(expanded(model))


def original_base(model: str) -> str:
    """What an adapter that is trained from `model` is an adapter to."""
    earlier = adapter_at(model)
    return earlier.card.base if earlier else model


def _merged(policy: PolicyFolder, quantize: Quantization, precision: Precision) -> tuple[Any, Any]:
    """The base of an earlier run's adapter with the adapter added to its weights."""
    from peft import PeftModel

    if quantize:
        raise TrainingError(f"{policy.path} is an adapter to merge: leave quantize empty.")
    base, tokenizer = load_base(policy.card.base, "", precision)
    merged: Any = PeftModel.from_pretrained(base, policy.path)
    return merged.merge_and_unload(), tokenizer


def load_scorer(model: str, quantize: Quantization = "", precision: Precision = "fp32") -> tuple[Any, Any]:
    """A transformers sequence classifier with one output on a causal trunk, and its tokenizer.

    The output's weights are drawn from torch's generator where the files have none; seed it before.
    """
    from transformers import AutoModelForSequenceClassification

    path = base_path(model)
    loaded, report = _load(AutoModelForSequenceClassification, path, quantize, precision, num_labels=1)
    if any(not key.startswith("score.") for key in report["missing_keys"]):
        raise ModelFileError(f"{model} lacks weights of its trunk: choose a causal language model.")
    tokenizer = load_tokenizer(path)
    loaded.config.pad_token_id = tokenizer.pad_token_id  # the score is read at the last token before padding
    return loaded, tokenizer


def base_path(model: str) -> Path:
    """Where the model's files lie, a .gguf file or a folder; fetched where they are not there yet."""
    if model not in CATALOGUE and not expanded(model).exists() and _HUB_ID.fullmatch(model):
        return model_path(str(_from_hub(model))).path
    return model_path(model, progress=sys.stderr.isatty()).path


def load_tokenizer(path: Path) -> Any:
    """A fast tokenizer that pads. GPT-2 has no padding token and gets its end token for one.

    What is padding is then said by lengths and masks alone: an end token that was written stays visible.
    """
    from transformers import AutoTokenizer

    folder, options = folder_and_options(path)
    if not options and not any((folder / name).is_file() for name in _VOCABULARIES):
        raise ModelFileError(f"{path} has no tokenizer.json: save the model's tokenizer there too.")
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True, **options
        )
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} has no tokenizer that loads: {why_not_loaded(error)}") from error
    if path.suffix == ".gguf":
        _split_digits(tokenizer, path)
    if tokenizer.eos_token_id is None:
        raise ModelFileError(f"The tokenizer of {path} has no end token: name one in tokenizer_config.json.")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _split_digits(tokenizer: Any, path: Path) -> None:
    """SmolLM's vocabulary wants each digit apart, which transformers does not take from a GGUF."""
    from tokenizers import pre_tokenizers

    kind = read_gguf(path).fields.get("tokenizer.ggml.pre")
    if kind is not None and kind.contents() == "smollm":
        digits, bytes_ = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, bytes_])


def turn_dropout_off(model: Any) -> None:
    """Turn off every dropout, of modules and of attention written as a function."""
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0


@one_at_a_time
def _load(
    kind: Any, path: Path, quantize: Quantization, precision: Precision, **more: Any
) -> tuple[Any, dict[str, Any]]:
    """The model with dropout off, and transformers' report on which weights it found."""
    import torch

    if quantize and path.suffix == ".gguf":
        raise TrainingError(
            f"{path.name} becomes dense weights to train: leave quantize empty, or give a model folder."
        )
    folder, options = folder_and_options(path)
    if path.suffix == ".gguf":
        from transformers import GgufConfig

        options["quantization_config"] = GgufConfig(dequantize=True)
    if quantize:
        options |= _quantization(quantize)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    try:
        with quiet_unless_watched():
            model, report = kind.from_pretrained(
                folder,
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
                **options,
                **more,
            )
    except (OSError, ValueError) as error:
        raise ModelFileError(
            f"{path} cannot be loaded as a model to train: {why_not_loaded(error)}"
        ) from error
    turn_dropout_off(model)
    return model, report


def _quantization(quantize: Quantization) -> dict[str, Any]:
    """Options that quantize on loading, on this process's device."""
    missing = [package for package in ("bitsandbytes", "accelerate") if find_spec(package) is None]
    if missing:
        raise TrainingError(
            f"Training on a {quantize} base needs {' and '.join(missing)}: "
            "run `pip install -e '.[quantized]'`, or leave quantize empty."
        )
    import accelerate
    import torch
    import transformers

    config: Any = transformers.BitsAndBytesConfig
    chosen = (
        config(load_in_8bit=True)
        if quantize == "8bit"
        else config(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)
    )
    return {"quantization_config": chosen, "device_map": {"": accelerate.PartialState().device}}


def _from_hub(repo: str) -> Path:
    """The repository's files in the hub client's own cache, fetched where need be."""
    import httpx
    from huggingface_hub import errors, snapshot_download

    try:
        return Path(
            snapshot_download(repo, allow_patterns=list(_HUB_FILES), ignore_patterns=list(_NOT_FROM_HUB))
        )
    except errors.GatedRepoError as error:
        raise ModelFileError(
            f"{repo} asks to accept its licence first: do so on its page, and log in."
        ) from error
    except errors.HfHubHTTPError as error:
        raise ModelFileError(
            f"The model hub has no {repo} to give ({error.response.status_code}): check the name."
        ) from error
    except (httpx.HTTPError, errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError) as error:
        raise ModelFileError(
            f"{repo} is not on this machine, and the model hub could not be reached: "
            "give the path of a folder that holds the model."
        ) from error


@contextmanager
def quiet_unless_watched() -> Iterator[None]:
    """Within it transformers shows bars on a terminal alone, and never its report on weights, read here."""
    from transformers.utils import logging

    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        if sys.stderr.isatty():
            yield
            return
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        with redirect_stderr(StringIO()):  # its GGUF reader's bar obeys no setting
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
