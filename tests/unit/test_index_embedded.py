"""The index of the shipped recipes: built once, kept, mended."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from index_samples import SAMPLES, CountingEmbeddings

from tools.embed import encode
from tools.embedding_run import key_of, packed
from tools.index import embedded_index


@pytest.fixture
def embedder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CountingEmbeddings:
    embedder = CountingEmbeddings()
    monkeypatch.setenv("SOUSCHEF_CACHE", str(tmp_path))
    monkeypatch.setattr("tools.index.load_embedder", lambda **_: embedder)
    monkeypatch.setattr("tools.index.embedded_recipes", lambda: SAMPLES)
    return embedder


def test_it_is_built_on_first_use_and_then_read(embedder: CountingEmbeddings) -> None:
    assert embedded_index(progress=False).count == 4
    assert embedded_index(progress=False).search("eggs", mode="lexical")[0].uid == "omelette"
    assert len(embedder.embedded) == 4


def test_vectors_that_come_along_are_not_made_again(
    embedder: CountingEmbeddings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = [recipe.text() for recipe in SAMPLES[1:]]
    made = encode(CountingEmbeddings(), known)
    shipped = tmp_path / "vectors.safetensors"
    shipped.write_bytes(packed([key_of(text) for text in known], (3 * made).astype(np.float16)))
    monkeypatch.setattr("tools.shipped_vectors.vectors_file", lambda _: shipped)
    index = embedded_index(progress=False)
    assert embedder.embedded == [SAMPLES[0].text()]
    best = [index.search(recipe.text(), k=1, mode="dense")[0] for recipe in SAMPLES]
    assert [hit.uid for hit in best] == [recipe.uid for recipe in SAMPLES]
    assert [hit.score for hit in best] == pytest.approx([1.0] * len(SAMPLES), abs=1e-3)


def test_first_uses_at_once_build_it_once(embedder: CountingEmbeddings) -> None:
    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: embedded_index(progress=False).count, range(4)))
    assert counts == [4, 4, 4, 4]
    assert len(embedder.embedded) == 4


def test_a_damaged_cache_is_said_to_be_so_and_built_again(
    embedder: CountingEmbeddings, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = embedded_index(progress=False).folder
    assert folder is not None
    (folder / "recipes-1.jsonl").write_bytes(b"{}")
    assert embedded_index(progress=False).count == 4
    assert capsys.readouterr().err == f"The index in {folder} is damaged; building it again.\n"
    assert len(embedder.embedded) == 8


def test_other_shipped_recipes_have_another_place(
    embedder: CountingEmbeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = embedded_index(progress=False).folder
    monkeypatch.setattr("tools.index._shipped_bytes", lambda: b"other recipes")
    assert embedded_index(progress=False).folder != first
    assert len(embedder.embedded) == 8
