"""Make vectors-*.safetensors, the embedded embedder's vectors of the recipes that come with Souschef.

    python tools/data/make_vectors.py

is to be run after make_recipes.py, and when the embedder is another. It takes a minute on 2 cores.
"""

from pathlib import Path

import numpy as np

from tools.embed import identity, load_embedder
from tools.embedding_run import embed_in_chunks, key_of, packed
from tools.files import atomic_write
from tools.recipes import embedded_recipes
from tools.shipped_vectors import vectors_file


def main() -> None:
    """Write the file of the embedded embedder in place of what was there."""
    embedder = load_embedder()
    texts = [recipe.text() for recipe in embedded_recipes()]
    vectors = embed_in_chunks(len(texts), texts.__getitem__, embedder)
    path = Path(str(vectors_file(identity(embedder))))
    with atomic_write(path) as file:
        file.write(packed([key_of(text) for text in texts], vectors.astype(np.float16)))
    path.chmod(0o644)
    for old in set(path.parent.glob("vectors-*.safetensors")) - {path}:
        old.unlink()


if __name__ == "__main__":
    main()
