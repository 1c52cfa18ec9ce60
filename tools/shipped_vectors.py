"""Vectors of the recipes that come with Souschef, so that their index is there at once on first use.

tools/data/make_vectors.py made them, in float16: a similarity moves by less than 0.001. A recipe whose text
has changed finds none here and is embedded; so does every recipe under another embedder.
"""

from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

from tools.embed import Identity
from tools.embedding_run import name_of, unpacked

if TYPE_CHECKING:
    from tools.embedding_run import Chunk


def shipped_vectors(made_by: Identity) -> "Iterator[Chunk]":
    """The vectors that this embedder made, length 1, as one chunk; none where no file has its name."""
    import numpy as np

    file = vectors_file(made_by)
    if file.is_file():
        keys, halves = unpacked(file.read_bytes())
        vectors = halves.astype(np.float32)
        yield keys, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def vectors_file(made_by: Identity) -> Traversable:
    """Where an embedder's vectors lie, or would."""
    return resources.files("tools").joinpath("data", f"vectors-{name_of(made_by)}.safetensors")
