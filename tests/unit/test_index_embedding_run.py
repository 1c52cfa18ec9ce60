"""Embedding in chunks that survive an interruption."""

from pathlib import Path

import numpy as np
import pytest
from index_samples import CountingEmbeddings, OtherEmbeddings

from tools.embed import encode
from tools.embedding_run import CHUNK_TEXTS, embed_in_chunks

TEXTS = [f"recipe {n} " + "salt " * (n % 13) for n in range(3 * CHUNK_TEXTS + 5)]


class StoppingEmbeddings(CountingEmbeddings):
    """Is interrupted in its third chunk."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        if len(self.embedded) >= 2 * CHUNK_TEXTS:
            raise KeyboardInterrupt
        return super().embed_documents(texts)


class ResumedEmbeddings(CountingEmbeddings):
    """Stands for the same embedder in the next process."""


ResumedEmbeddings.__qualname__ = StoppingEmbeddings.__qualname__


def test_vectors_come_in_the_order_of_the_texts() -> None:
    vectors = embed_in_chunks(len(TEXTS), TEXTS.__getitem__, CountingEmbeddings(), progress=False)
    assert np.allclose(vectors, encode(CountingEmbeddings(), TEXTS))


def test_chunks_are_bounded_and_sorted_by_length_over_all_texts() -> None:
    embedder = CountingEmbeddings()
    embed_in_chunks(len(TEXTS), TEXTS.__getitem__, embedder, progress=False)
    lengths = [len(text) for text in embedder.embedded]
    assert lengths == sorted(lengths, reverse=True)


def test_equal_texts_are_embedded_once() -> None:
    embedder = CountingEmbeddings()
    vectors = embed_in_chunks(3, ["a", "b", "a"].__getitem__, embedder, progress=False)
    assert sorted(embedder.embedded) == ["a", "b"]
    assert np.array_equal(vectors[0], vectors[2])


def interrupted(parts: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        embed_in_chunks(len(TEXTS), TEXTS.__getitem__, StoppingEmbeddings(), parts, progress=False)


def test_an_interrupted_run_continues_where_it_was(tmp_path: Path) -> None:
    interrupted(tmp_path)
    embedder = ResumedEmbeddings()
    vectors = embed_in_chunks(len(TEXTS), TEXTS.__getitem__, embedder, tmp_path, progress=False)
    assert len(embedder.embedded) == len(TEXTS) - 2 * CHUNK_TEXTS
    assert np.allclose(vectors, encode(CountingEmbeddings(), TEXTS))


def test_an_altered_part_is_thrown_away(tmp_path: Path) -> None:
    interrupted(tmp_path)
    part = sorted(tmp_path.glob("*/*.safetensors"))[0]
    content = bytearray(part.read_bytes())
    content[-1] ^= 1
    part.write_bytes(content)
    embedder = ResumedEmbeddings()
    vectors = embed_in_chunks(len(TEXTS), TEXTS.__getitem__, embedder, tmp_path, progress=False)
    assert len(embedder.embedded) == len(TEXTS) - CHUNK_TEXTS
    assert np.allclose(vectors, encode(CountingEmbeddings(), TEXTS))


def test_parts_of_another_embedder_are_not_used(tmp_path: Path) -> None:
    interrupted(tmp_path)
    embedder = OtherEmbeddings()
    embed_in_chunks(len(TEXTS), TEXTS.__getitem__, embedder, tmp_path, progress=False)
    assert len(embedder.embedded) == len(TEXTS)
