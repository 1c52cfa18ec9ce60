"""The embedded embedder, loaded for real."""

import json
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from tools.embed import Embedder, identity, load_embedder
from tools.errors import ModelFileError
from tools.models import model_path


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder(progress=False)


def test_vectors_are_those_of_sentence_transformers(embedder: Embedder) -> None:
    from sentence_transformers import SentenceTransformer

    texts = ["Banana bread\n\n3 bananas", "½ l milk", "", "a much longer text " * 100]
    reference = SentenceTransformer(str(model_path("minilm-l6").path)).encode(texts)
    assert np.allclose(embedder.encode(texts), reference, atol=1e-5)
    assert embedder.encode(texts).dtype == np.float32


def test_vectors_have_length_1_and_the_stated_dimension(embedder: Embedder) -> None:
    vectors = embedder.encode(["soup", "煮込み"])
    assert vectors.shape == (2, embedder.dimension) == (2, 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_lengths_are_counted_in_tokens_with_none_cut_off(embedder: Embedder) -> None:
    assert embedder.lengths(["soup", "banana bread", "salt " * 1_000]) == [3, 4, 1_002]  # [CLS] and [SEP]


def test_several_threads_may_load_and_use_it() -> None:
    fresh = load_embedder(progress=False)
    texts = [f"recipe {n} " + "salt " * n for n in range(16)]
    alone = np.array([fresh.embed_query(text) for text in texts])
    fresh = load_embedder(progress=False)
    with ThreadPoolExecutor(4) as pool:
        together = np.array(list(pool.map(fresh.embed_query, texts)))
    assert np.allclose(alone, together, atol=1e-6)


def test_a_local_model_is_loaded_without_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert len(load_embedder(progress=False).embed_query("soup")) == 384


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"hidden_size": 768, "num_attention_heads": 12}, "other sizes than its config.json says"),
        ({"model_type": "nonesuch"}, "nonesuch"),
    ],
)
def test_a_folder_that_does_not_load_is_one_sentence(
    tmp_path: Path, changed: dict[str, Any], why: str
) -> None:
    folder = tmp_path / "own"
    shutil.copytree(model_path("minilm-l6").path, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changed))
    with pytest.raises(ModelFileError, match=f"{folder} cannot be loaded as an embedding model.*{why}"):
        load_embedder(str(folder)).load()


def test_loading_shows_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    load_embedder(progress=False).load()
    assert capfd.readouterr() == ("", "")


def test_a_folder_is_an_embedder_of_its_own(embedder: Embedder) -> None:
    by_path = load_embedder(str(embedder.files.path))
    assert identity(by_path).path == str(embedder.files.path.resolve())
    assert identity(by_path) != identity(embedder)


def test_a_language_model_is_no_embedder() -> None:
    with pytest.raises(ModelFileError, match=r"smollm2-135m is no embedder; choose minilm-l6, bge-small or"):
        load_embedder("smollm2-135m")


def test_an_unknown_embedder_gets_the_nearest_name() -> None:
    with pytest.raises(ModelFileError, match="did you mean minilm-l6"):
        load_embedder("minilm-16")


def test_a_model_file_is_no_embedder(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="There is no model at"):
        load_embedder(str(tmp_path / "none"))
