"""Which models the adapters that come along are for."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.engines import shipped
from tools.catalogue import CATALOGUE

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 49152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "max_position_embeddings": 8192,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def folder(path: Path, config: Any) -> Path:
    (path / "config.json").write_text(json.dumps(config))
    return path


def test_the_embedded_model_has_them_by_its_name_and_as_a_folder(tmp_path: Path) -> None:
    files, folders = (
        shipped.for_llama_cpp(CATALOGUE["smollm2-135m"]),
        shipped.for_transformers(folder(tmp_path, CONFIG)),
    )
    assert "react" in files
    assert {name: file.parent for name, file in files.items()} == folders
    assert all(file.is_file() for file in files.values())


@pytest.mark.parametrize(
    "other",
    [
        {"eos_token_id": 0},  # SmolLM2-135M, the base model
        {"max_position_embeddings": 2048},  # SmolLM-135M-Instruct
        {"hidden_size": 960, "num_hidden_layers": 32},  # SmolLM2-360M-Instruct
        {"model_type": "mistral"},
    ],
)
def test_its_relatives_have_none(tmp_path: Path, other: dict[str, object]) -> None:
    assert shipped.for_transformers(folder(tmp_path, CONFIG | other)) == {}


def test_what_was_trained_on_from_it_has_none(tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_text("{}")
    assert shipped.for_transformers(folder(tmp_path, CONFIG)) == {}


@pytest.mark.parametrize("config", [[], "x", {}, {"model_type": "llama"}])
def test_other_models_have_none(tmp_path: Path, config: object) -> None:
    assert shipped.for_llama_cpp(CATALOGUE["phi-3-mini-gguf"]) == shipped.for_llama_cpp(None) == {}
    assert shipped.for_transformers(tmp_path) == {}
    assert shipped.for_transformers(folder(tmp_path, config)) == {}
    assert shipped.for_transformers(tmp_path / "config.json") == {}
