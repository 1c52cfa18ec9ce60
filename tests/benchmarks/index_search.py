"""What a search takes, next to the embedding of its query.

    python tests/benchmarks/index_search.py [--rows N]

Latencies include the embedding of the query. The recipes get random vectors, since exact search takes the
same time whatever the vectors say. It ends with exit code 1 where a dense search takes longer than its limit.
"""

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
from langchain_core.embeddings import Embeddings
from recipes_to_measure import recipes_to_measure

from tools.embed import Embedder
from tools.index import RecipeIndex

DENSE_LIMIT_MS = 25.0  # in the median, on 2 CPU cores


class RandomForDocuments(Embeddings):
    """The embedder for queries, dice for recipes."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._dice = np.random.default_rng(0)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = self._dice.normal(size=(len(texts), 384)).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        return self._embedder.embed_query(text)


def latencies_ms(search: Callable[[str], object], queries: list[str]) -> tuple[float, float]:
    """Median and 95th percentile over the queries, after five to warm up."""
    for query in queries[:5]:
        search(query)
    taken = []
    for query in queries:
        started = time.perf_counter()
        search(query)
        taken.append(1000 * (time.perf_counter() - started))
    return float(np.percentile(taken, 50)), float(np.percentile(taken, 95))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=7_198)
    recipes = recipes_to_measure(parser.parse_args().rows)
    embedder = Embedder()
    index = RecipeIndex(RandomForDocuments(embedder))
    index.add(recipes, progress=False)
    queries = [f"How do I make {recipe.name}?" for recipe in recipes[:: max(1, len(recipes) // 200)]]
    searches: dict[str, Callable[[str], object]] = {
        "embedding of the query alone": embedder.embed_query,
        "dense": lambda query: index.search(query),
        "dense, avoiding nuts": lambda query: index.search(query, avoid=["nuts"]),
        "lexical": lambda query: index.search(query, mode="lexical"),
        "hybrid": lambda query: index.search(query, mode="hybrid"),
    }
    print(
        f"{len(recipes):,} recipes, {len(queries)} queries{'p50 ms':>20}{'p95 ms':>10}{'p50 / embedding':>18}"
    )
    alone = latencies_ms(embedder.embed_query, queries)[0]
    medians = {}
    for name, search in searches.items():
        medians[name], p95 = latencies_ms(search, queries)
        print(f"{name:32}{medians[name]:>14.1f}{p95:>10.1f}{medians[name] / alone:>18.2f}")
    return 1 if medians["dense"] > DENSE_LIMIT_MS else 0


if __name__ == "__main__":
    sys.exit(main())
