"""The LoRA adapters that come with Souschef, in agent/adapters, and the models that they were made for.

They belong to SmolLM2-135M-Instruct: the embedded GGUF, a model of the catalogue, and a folder in Hugging
Face layout, known by its config.json. Left out: comparing weights, which come in many precisions.
"""

import json
from pathlib import Path

from tools.catalogue import CatalogueEntry
from tools.policy_folder import CARD

ADAPTERS = Path(__file__).parents[1] / "adapters"
WEIGHTS = "adapter_model.safetensors"  # peft's name for them

_EMBEDDED = "smollm2-135m"

# Relatives have the same sizes: SmolLM reads 2,048 tokens, and the base model, which was not trained to chat,
# ends its texts with token 0.
_CONFIG = {
    "model_type": "llama",
    "vocab_size": 49152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "max_position_embeddings": 8192,
    "eos_token_id": 2,
}


def for_llama_cpp(entry: CatalogueEntry | None) -> dict[str, Path]:
    """The adapters for a model of the catalogue: GGUF files, by the adapters' names."""
    if entry is None or entry.name != _EMBEDDED:
        return {}
    return {file.parent.name: file for file in sorted(ADAPTERS.glob("*/adapter.gguf"))}


def for_transformers(model: Path) -> dict[str, Path]:
    """The adapters for a folder in Hugging Face layout: folders of peft, by the adapters' names."""
    if not _is_embedded_model(model):
        return {}
    return {file.parent.name: file.parent for file in sorted(ADAPTERS.glob(f"*/{WEIGHTS}"))}


def _is_embedded_model(folder: Path) -> bool:
    """Whether a folder holds SmolLM2-135M-Instruct; what was trained on from it is another model."""
    if not folder.is_dir() or (folder / CARD).exists():
        return False
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError):  # loading it says what is wrong
        return False
    return isinstance(config, dict) and all(config.get(name) == value for name, value in _CONFIG.items())
