"""An embedder whose folder does not load says so in one sentence. No model is needed."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from safetensors import SafetensorError

from tools import embed
from tools.errors import ModelFileError

FAILURES = [
    (OSError("the config file is not JSON.\nMore"), r"the config file is not JSON\.$"),
    (ValueError("no padding token"), r"no padding token\.$"),
    (
        RuntimeError("You set `ignore_mismatched_sizes` to `False`"),
        r"other sizes than its config.json says\.$",
    ),
    (SafetensorError("header too large"), r"header too large\.$"),
]


@pytest.fixture
def embedder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> embed.Embedder:
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setattr(
        embed,
        "model_path",
        lambda *_, **__: SimpleNamespace(name="own", path=tmp_path, format="hf", revision="1", entry=None),
    )
    return embed.Embedder(str(tmp_path))


@pytest.mark.parametrize(("error", "why"), FAILURES)
@pytest.mark.parametrize("at", ["loading", "the first text"])
def test_a_model_that_does_not_load_is_one_sentence(
    embedder: embed.Embedder, monkeypatch: pytest.MonkeyPatch, error: Exception, why: str, at: str
) -> None:
    def fail(*_: object) -> SimpleNamespace:
        raise error

    monkeypatch.setattr(
        embed, "_load", fail if at == "loading" else lambda _: SimpleNamespace(embed_documents=fail)
    )
    for _ in range(2):  # and it is not kept half loaded
        with pytest.raises(ModelFileError, match=f"cannot be loaded as an embedding model.*{why}"):
            embedder.embed_query("soup")


def test_a_folder_without_a_tokenizer_is_refused(embedder: embed.Embedder) -> None:
    with pytest.raises(ModelFileError, match=r"it has no tokenizer\.$"):
        embedder.load()
