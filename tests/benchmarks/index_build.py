"""What an index build costs beside the embedder's own work.

    python tests/benchmarks/index_build.py [--rows N]

It embeds the same texts twice in one process, with SentenceTransformer.encode and with RecipeIndex.build, in
slices by turns, and prints the median of the slices' ratios, since other work on the machine may slow either
of them. Memory is measured in processes of their own with an embedder that costs nothing, so that what grows
with the collection stands out. A ratio outside its limit makes the exit code 1.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import truediv
from pathlib import Path
from statistics import median

from langchain_core.embeddings import Embeddings
from recipes_to_measure import recipes_to_measure

from tools.embed import load_embedder
from tools.index import RecipeIndex
from tools.models import model_path
from tools.recipes import Recipe

ADDED = 100
AT_LEAST = {
    "embedding_speed_vs_encode": 0.95,
    "share_of_build_in_embedder": 0.85,
}  # 1 less the noise; a share
AT_MOST = {"add_beside_embedding_vs_full_build": 0.03, "peak_growth_vs_vectors_and_text": 1.5}


class Timed(Embeddings):
    """The embedder, with a count of the seconds spent in it."""

    def __init__(self) -> None:
        self._inner = load_embedder()
        self._inner.load()
        self.seconds = 0.0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        started = time.perf_counter()
        vectors = self._inner.embed_documents(texts)
        self.seconds += time.perf_counter() - started
        return vectors

    def embed_query(self, text: str) -> list[float]:
        return self._inner.embed_query(text)


class Free(Embeddings):
    """Vectors of the right size for no time and no memory."""

    DIMENSION = 384

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[1.0] * self.DIMENSION for _ in texts]

    def embed_query(self, text: str) -> list[float]:  # noqa: ARG002 - the interface's
        return [1.0] * self.DIMENSION


def build(recipes: Sequence[Recipe], embedder: Timed, folder: Path) -> float:
    started = time.perf_counter()
    RecipeIndex.build(recipes, folder, embedder, progress=False)
    return time.perf_counter() - started


def measure_build(recipes: Sequence[Recipe], slices: int) -> dict[str, float]:
    """Our build against one encode call, on the same slices of the recipes in turn."""
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(str(model_path("minilm-l6").path))
    reference.encode(["warm up"])
    embedder = Timed()
    encode_s, build_s, embedding_s = [], [], []
    for part in (recipes[n::slices] for n in range(slices)):
        started = time.perf_counter()
        reference.encode([recipe.text() for recipe in part])
        encode_s.append(time.perf_counter() - started)
        before = embedder.seconds
        with tempfile.TemporaryDirectory() as folder:
            build_s.append(build(part, embedder, Path(folder)))
        embedding_s.append(embedder.seconds - before)
    return {
        "recipes": len(recipes),
        "encode_s": sum(encode_s),
        "build_s": sum(build_s),
        "recipes_per_s": len(recipes) / sum(build_s),
        "embedding_speed_vs_encode": median(map(truediv, encode_s, embedding_s)),
        "build_speed_vs_encode": median(map(truediv, encode_s, build_s)),
        "share_of_build_in_embedder": sum(embedding_s) / sum(build_s),
    }


def measure_add(recipes: Sequence[Recipe], full_build_s: float) -> dict[str, float]:
    """What adding 100 recipes costs beside their embedding, as a share of a full build."""
    embedder = Timed()
    with tempfile.TemporaryDirectory() as folder:
        base = [replace(recipe, uid=f"base-{n}") for n, recipe in enumerate(recipes)]
        RecipeIndex.build(base, Path(folder), Free(), progress=False)
        new = [replace(r, uid=f"new-{n}", name=f"New {r.name}") for n, r in enumerate(recipes[:ADDED])]
        started = time.perf_counter()
        with RecipeIndex.editing(Path(folder), Free()) as index:
            index._embedder = embedder  # the recipes that are there had theirs for free
            index.add(new, progress=False)
        seconds = time.perf_counter() - started
    return {
        "add_s": seconds,
        "add_embedding_s": embedder.seconds,
        "add_beside_embedding_vs_full_build": (seconds - embedder.seconds) / full_build_s,
    }


def measure_memory(rows: int) -> dict[str, float]:
    """What a build of four times the recipes takes more at its peak, against what it must hold more."""
    small, large = (_peak_in_child(n) for n in (rows, 4 * rows))
    must = large["must_hold_bytes"] - small["must_hold_bytes"]
    return {
        "peak_small_mb": small["peak_bytes"] / 1e6,
        "peak_large_mb": large["peak_bytes"] / 1e6,
        "peak_growth_vs_vectors_and_text": (large["peak_bytes"] - small["peak_bytes"]) / must,
    }


def _peak_in_child(rows: int) -> dict[str, int]:
    command = [sys.executable, __file__, "--memory-of", str(rows)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    measured: dict[str, int] = json.loads(done.stdout)
    return measured


def _peak_here(rows: int) -> dict[str, int]:
    held = 0

    def streamed() -> Iterator[Recipe]:
        nonlocal held
        known = recipes_to_measure(500)
        for n in range(rows):
            recipe = replace(known[n % 500], uid=f"r{n}", name=f"{known[n % 500].name} {n}")
            held += len(recipe.text().encode()) + 4 * Free.DIMENSION
            yield recipe

    with tempfile.TemporaryDirectory() as folder:
        RecipeIndex.build(streamed(), Path(folder), Free(), progress=False)
    status = Path("/proc/self/status").read_text()  # getrusage would count the parent's peak in
    return {"peak_bytes": 1024 * int(status.split("VmHWM:")[1].split()[0]), "must_hold_bytes": held}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=7_198)
    parser.add_argument("--slices", type=int, default=9)
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory_of:
        print(json.dumps(_peak_here(given.memory_of)))
        return 0
    recipes = recipes_to_measure(given.rows)
    measured = measure_build(recipes, given.slices)
    measured |= measure_add(recipes, measured["build_s"])
    measured |= measure_memory(given.rows)
    for name, value in measured.items():
        print(f"{name:36} {value:10.3f}")
    missed = [name for name, limit in AT_LEAST.items() if measured[name] < limit]
    missed += [name for name, limit in AT_MOST.items() if measured[name] > limit]
    print(f"outside the limit: {', '.join(missed)}" if missed else "within all limits")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
