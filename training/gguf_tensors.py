"""Weights as llama.cpp wants them: the names, shapes and order of its GPT-2 and Llama graphs.

Names come from the gguf package's own map. Two things differ beside names. GPT-2 keeps its matrices as
(in, out), llama.cpp as (out, in). And for rotary embeddings transformers' Llama pairs the first half of a
head's vector with the second, where llama.cpp pairs neighbours: the rows of q and k are interleaved. Left
out: other architectures, which are refused.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.errors import TrainingError

Array = NDArray[np.float32]

# What llama.cpp's graph of an architecture computes; a config that says otherwise would run, and run wrong.
_COMPUTED: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "gpt2": {
        "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
        "scale_attn_weights": (True,),
        "scale_attn_by_inverse_layer_idx": (False,),
    },
    "llama": {"hidden_act": ("silu",)},
}
_TRANSPOSED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
_INTERLEAVED = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}
_LORA_PREFIX = "base_model.model."


@dataclass(frozen=True)
class Architecture:
    """A model's architecture as llama.cpp names it, and what is needed to rename and reorder its weights."""

    name: str
    config: Any

    @classmethod
    def of(cls, config: Any) -> "Architecture":
        """The architecture of a transformers config; TrainingError where it cannot be exported."""
        kind = config.model_type
        if kind not in _COMPUTED:
            raise TrainingError(
                f"A model of type {kind} cannot be exported to GGUF: gpt2 and llama can. "
                "Use the policy as it is."
            )
        for setting, allowed in _COMPUTED[kind].items():
            if getattr(config, setting) not in allowed:
                raise TrainingError(
                    f"A {kind} with {setting} {getattr(config, setting)!r} cannot be exported to GGUF: "
                    "llama.cpp computes it otherwise. Use the policy as it is."
                )
        return cls(kind, config)

    def tensor_name(self, name: str) -> str:
        """llama.cpp's name of a weight: "model.norm.weight" is "output_norm.weight"."""
        known = _names(self.name, self.config.num_hidden_layers)
        found: str | None = known.get_name(name, try_suffixes=(".weight", ".bias"))
        if found is None:
            raise TrainingError(f"{name} has no place in a {self.name} GGUF: export a policy without it.")
        return found

    def interleaved(self, name: str, array: Array) -> Array:
        """The rows of a Llama's q or k projection in llama.cpp's order; any other array as it is."""
        module = name.split(".")[-2]
        if self.name != "llama" or module not in _INTERLEAVED:
            return array
        heads = getattr(self.config, _INTERLEAVED[module])
        halves = array.reshape(heads, 2, -1, *array.shape[1:])  # (heads, half, row of the half, ...)
        return halves.swapaxes(1, 2).reshape(array.shape)


@cache
def _names(architecture: str, blocks: int) -> Any:
    """The gguf package's map of names, which is made of every architecture's."""
    import gguf

    return gguf.get_tensor_name_map(gguf.MODEL_ARCH[architecture.upper()], blocks)


def model_tensors(folder: Path, architecture: Architecture) -> Iterator[tuple[str, Array]]:
    """Names and values of all weights of a transformers folder."""
    for name, array in _stored(sorted(folder.glob("model*.safetensors"))):
        turned = array.T if architecture.name == "gpt2" and name.endswith(_TRANSPOSED) else array
        yield architecture.tensor_name(name), architecture.interleaved(name, turned)


def adapter_tensors(folder: Path, architecture: Architecture) -> Iterator[tuple[str, Array]]:
    """Names and values of a LoRA: for each weight .lora_a (rank, in) and .lora_b (out, rank)."""
    for name, array in _stored([folder / "adapter_model.safetensors"]):
        module, side, rest = name.removeprefix(_LORA_PREFIX).rpartition(".lora_")
        if not side or rest not in ("A.weight", "B.weight"):
            raise TrainingError(
                f"{name} of {folder} is no plain LoRA weight: export a LoRA without embeddings, biases "
                "or magnitudes."
            )
        weight = f"{module}.weight"
        ordered = architecture.interleaved(weight, array) if rest == "B.weight" else array
        yield f"{architecture.tensor_name(weight)}.lora_{rest[0].lower()}", ordered


def _stored(files: list[Path]) -> Iterator[tuple[str, Array]]:
    """The tensors of safetensors files as float32; numpy has no bfloat16, so torch reads them."""
    from safetensors import safe_open

    for path in files:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - not a dict
                yield name, file.get_tensor(name).float().numpy()
