"""Export a policy to GGUF, for the gguf engine: a LoRA adapter, or full weights of a GPT-2 or Llama.

The file lies beside the policy's weights, as adapter.gguf or policy.gguf, and is written by the gguf package.
A model's file holds its tokenizer, chat template included. Left out: quantizations finer than q8_0, which
llama.cpp's own tools make out of an f16 file, and tokenizers that llama.cpp would not split texts alike.
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tools.errors import TrainingError
from tools.files import saying_what_the_disk_refused, sync_folder
from tools.gguf_reading import folder_and_options, gguf_read_once
from tools.policy_folder import GGUF_FILES, PolicyFolder, read_policy
from training.base_models import base_path
from training.gguf_tensors import Architecture, Array, adapter_tensors, model_tensors

if TYPE_CHECKING:
    from gguf import GGUFWriter

OutType = Literal["f32", "f16", "q8_0"]

_FILE_TYPES = {"f32": "ALL_F32", "f16": "MOSTLY_F16", "q8_0": "MOSTLY_Q8_0"}
_KEPT_WHOLE = ("position_embd.weight",)  # llama.cpp's converters keep them in f32 as well
# A tokenizer's pre-tokenizer, as types and what matters of them: llama.cpp's name for the same splitting.
_PRE_TOKENIZERS = {
    "ByteLevel": "gpt-2",
    "Digits(1) ByteLevel": "smollm",
}


def export_gguf(run: Path, *, outtype: OutType = "f16") -> Path:
    """Write the policy of a run, or of a policy/ directory, as GGUF beside it and give back the file.

    `outtype` is what matrices are kept in. Raises TrainingError for a
    policy that llama.cpp would not run alike, or that is not whole.
    """
    policy = read_policy(run)
    path = policy.path / GGUF_FILES[policy.card.kind]
    part = path.with_name(f".{path.name}.part")
    fill = _fill_adapter if policy.card.kind == "adapter" else _fill_model
    with saying_what_the_disk_refused(path):
        try:
            fill(part, policy, outtype)
            with part.open("rb") as file:
                os.fsync(file.fileno())
            part.replace(path)
            sync_folder(path.parent)
        finally:
            part.unlink(missing_ok=True)
    return path


# ---- an adapter


def _fill_adapter(path: Path, policy: PolicyFolder, outtype: OutType) -> None:
    import gguf

    architecture = Architecture.of(_config(base_path(policy.card.base)))
    alpha = _alpha(policy.path / "adapter_config.json")
    writer = _writer(path, architecture.name)
    writer.add_type("adapter")
    writer.add_name(policy.card.name)
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    for name, array in adapter_tensors(policy.path, architecture):
        kind = _kind(name, array, outtype)
        writer.add_tensor(name, gguf.quants.quantize(array, kind), raw_dtype=kind)
    _write(writer)


def _alpha(path: Path) -> float:
    """The alpha that scales as peft does: llama.cpp multiplies by alpha / rank."""
    lora: Mapping[str, Any] = json.loads(path.read_bytes())
    odd = [
        name for name in ("use_dora", "rank_pattern", "alpha_pattern", "modules_to_save") if lora.get(name)
    ]
    if lora.get("peft_type") != "LORA" or odd:
        what = odd[0] if odd else f"peft_type {lora.get('peft_type')}"
        raise TrainingError(f"An adapter with {what} cannot be exported to GGUF: train a plain LoRA.")
    alpha = float(lora["lora_alpha"])
    return alpha * math.sqrt(lora["r"]) if lora.get("use_rslora") else alpha


# ---- a model


def _fill_model(path: Path, policy: PolicyFolder, outtype: OutType) -> None:
    import gguf

    architecture = Architecture.of(_config(policy.path))
    writer = _writer(path, architecture.name)
    writer.add_type("model")
    writer.add_name(policy.card.name)
    _add_sizes(writer, architecture)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_file_type(gguf.LlamaFileType[_FILE_TYPES[outtype]])
    _add_tokenizer(writer, policy.path, architecture.config.vocab_size)
    for name, array in model_tensors(policy.path, architecture):
        kind = _kind(name, array, outtype)
        writer.add_tensor(name, gguf.quants.quantize(array, kind), raw_dtype=kind)
    _write(writer)


def _kind(name: str, array: Array, outtype: OutType) -> Any:
    """What a tensor is kept in: vectors whole, matrices as asked where their rows fill blocks."""
    from gguf import GGMLQuantizationType, quant_shape_to_byte_shape

    if array.ndim == 1 or name in _KEPT_WHOLE:
        return GGMLQuantizationType.F32
    kind = GGMLQuantizationType[outtype.upper()]
    try:
        quant_shape_to_byte_shape(array.shape, kind)
    except ValueError:
        return GGMLQuantizationType.F16
    return kind


def _add_sizes(writer: "GGUFWriter", architecture: Architecture) -> None:
    config = architecture.config
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)
    if architecture.name == "gpt2":
        writer.add_feed_forward_length(config.n_inner or 4 * config.n_embd)
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
        return
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    head = config.head_dim or config.hidden_size // config.num_attention_heads
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_dimension_count(head)
    rope = config.rope_parameters
    if rope.get("rope_type", "default") != "default":
        raise TrainingError(
            f"A Llama with {rope['rope_type']} rotary embeddings cannot be exported to GGUF: "
            "use the policy as it is."
        )
    writer.add_rope_freq_base(rope["rope_theta"])


def _add_tokenizer(writer: "GGUFWriter", folder: Path, vocabulary: int) -> None:
    """Tokens, merges, special tokens and chat template; rows of the embedding without a token are padding."""
    from gguf import SpecialVocab, TokenType

    said = json.loads((folder / "tokenizer.json").read_bytes())
    writer.add_tokenizer_model("gpt2")  # byte-level BPE, whatever the model
    writer.add_tokenizer_pre(_pre_tokenizer(said, folder))
    tokens = [f"[PAD{n}]" for n in range(vocabulary)]
    kinds = [TokenType.UNUSED] * vocabulary
    for text, n in said["model"]["vocab"].items():
        tokens[n], kinds[n] = text, TokenType.NORMAL
    for added in said["added_tokens"]:
        tokens[added["id"]] = added["content"]
        kinds[added["id"]] = TokenType.CONTROL if added["special"] else TokenType.USER_DEFINED
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    special = SpecialVocab(folder, load_merges=True, n_vocab=vocabulary)
    special.add_special_token.setdefault("bos", False)
    special.add_to_gguf(writer, quiet=True)


def _pre_tokenizer(tokenizer: Mapping[str, Any], folder: Path) -> str:
    """llama.cpp's name for how this tokenizer splits a text before it merges bytes."""
    step = tokenizer.get("pre_tokenizer") or {}
    steps = step.get("pretokenizers", [step])
    described = " ".join(_described(step) for step in steps)
    if tokenizer["model"]["type"] != "BPE" or tokenizer.get("normalizer") or described not in _PRE_TOKENIZERS:
        raise TrainingError(
            f"The tokenizer of {folder} cannot be exported to GGUF: those of GPT-2 and SmolLM2 can. "
            "Use the policy as it is."
        )
    return _PRE_TOKENIZERS[described]


def _described(step: Mapping[str, Any]) -> str:
    if step.get("type") == "Digits" and step.get("individual_digits"):
        return "Digits(1)"
    if step.get("type") == "ByteLevel" and step.get("use_regex") and not step.get("add_prefix_space"):
        return "ByteLevel"
    return str(step)


# ---- the file


def _config(path: Path) -> Any:
    """The transformers config of a model folder, or of a GGUF file."""
    from transformers import AutoConfig

    folder, options = folder_and_options(path)
    with gguf_read_once(path):
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False, **options)


def _writer(path: Path, architecture: str) -> "GGUFWriter":
    try:
        import gguf
    except ImportError as error:
        raise TrainingError("Exporting needs the gguf package: run `pip install gguf`.") from error
    return gguf.GGUFWriter(path, architecture)


def _write(writer: "GGUFWriter") -> None:
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()
