"""The vectors that come along are those that the embedded embedder makes of the recipes that come along."""

import numpy as np

from tools.embed import Embedder, encode, identity
from tools.embedding_run import key_of
from tools.recipes import embedded_recipes
from tools.shipped_vectors import shipped_vectors

EVERY = 40  # recipe is embedded again


def test_they_are_what_the_embedder_makes_of_these_recipes() -> None:
    embedder = Embedder()
    ((keys, vectors),) = shipped_vectors(identity(embedder))
    texts = [recipe.text() for recipe in embedded_recipes()]
    assert keys == [key_of(text) for text in texts]
    again = encode(embedder, texts[::EVERY])
    assert np.abs(vectors[::EVERY] @ again.T - again @ again.T).max() < 1e-3
