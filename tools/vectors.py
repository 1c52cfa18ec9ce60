"""A table of vectors of length 1, searched by inner product, in faiss.

Exact search over a flat table is the default. For large collections there are two approximate tables: HNSW
(faster to search, more memory) and IVF (faster to build). Rows are numbered 0..n-1 in the order they came;
taking rows out closes the gaps. `recall` compares an approximate table with exact search on its own rows.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]
    Mask = NDArray[np.bool_]

Ann = Literal["hnsw", "ivf"]

_LINKS = 32  # HNSW: neighbours of a node, "M" in Malkov & Yashunin 2016
_EF_CONSTRUCTION = 80
_EF_SEARCH = 128
_POINTS_PER_CELL = 39  # IVF: what faiss wants to train a cell on
_SCANNED_SHARE = 8  # IVF: one in so many cells is searched
_EXACT_SHARE = 10  # a filter that leaves fewer than one in so many rows is searched exactly
_BLOCK_ROWS = 65_536


class VectorTable:
    """Vectors in a faiss index of one of three kinds."""

    def __init__(self, index: Any, ann: Ann | None) -> None:
        self._index = index  # faiss types its indexes only in part
        self.ann = ann

    @classmethod
    def of(cls, vectors: "Vectors", ann: Ann | None = None) -> "VectorTable":
        """A table of `vectors`, shape (n, dimension)."""
        return cls(_new_index(vectors, ann), ann)

    @classmethod
    def to_fill(cls, rows: int, dimension: int) -> "tuple[VectorTable, Vectors]":
        """A flat table of zeros, and its own memory as an array, shape (rows, dimension), to write to.

        The array is good for as long as the table keeps its rows.
        """
        import faiss
        import numpy as np

        index = faiss.IndexFlatIP(dimension)
        index.add(np.zeros((rows, dimension), dtype=np.float32))  # never written, so it takes no memory
        memory = faiss.rev_swig_ptr(index.get_xb(), rows * dimension)
        return cls(index, None), memory.reshape(rows, dimension)

    @classmethod
    def from_bytes(cls, content: bytes, ann: Ann | None) -> "VectorTable":
        """The table that `write` wrote. The caller has checked that the bytes are the ones written."""
        import faiss
        import numpy as np

        return cls(faiss.deserialize_index(np.frombuffer(content, dtype=np.uint8)), ann)

    def write(self, sink: Callable[[bytes], int]) -> None:
        """Pass the table in faiss's own format to `sink` piece by piece, without a second copy in memory."""
        faiss = _faiss()
        faiss.write_index(self._index, faiss.PyCallbackIOWriter(sink))

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dimension(self) -> int:
        return int(self._index.d)

    def rows(self, numbers: "NDArray[np.int64]") -> "Vectors":
        """The vectors of some rows, shape (rows, dimension)."""
        import numpy as np

        return np.asarray(self._index.reconstruct_batch(numbers), dtype=np.float32)

    def add(self, vectors: "Vectors") -> None:
        """Append rows."""
        if len(vectors):
            self._index.add(vectors)

    def remove(self, gone: "NDArray[np.int64]") -> None:
        """Take rows out. The approximate kinds cannot, so they are built anew."""
        import numpy as np

        if self.ann is None:
            self._index.remove_ids(gone)
        elif len(gone):
            kept = np.delete(np.arange(len(self), dtype=np.int64), gone)
            self.ann = self.ann if len(kept) else None  # no rows to train on: start again with a flat table
            self._index = _new_index(self.rows(kept), self.ann)

    def search(self, query: "Vectors", k: int, allowed: "Mask | None" = None) -> list[tuple[int, float]]:
        """The k best rows among the allowed ones with their cosine, best first. `query`: (1, dimension)."""
        candidates = len(self) if allowed is None else int(allowed.sum())
        k = min(k, candidates)
        if k == 0:
            return []
        if self.ann and allowed is not None and candidates * _EXACT_SHARE < len(self):
            return self._search_exactly(query, k, allowed)
        scores, rows = self._index.search(query, k, params=self._parameters(k, allowed))
        found = [
            (int(row), _cosine(score)) for row, score in zip(rows[0], scores[0], strict=True) if row >= 0
        ]
        if len(found) < k and allowed is not None:  # a graph or the cells visited held too few allowed rows
            return self._search_exactly(query, k, allowed)
        return found

    def recall(self, k: int = 10, sample: int = 200) -> float:
        """The share of the k nearest rows, by exact search, that this table finds, for rows drawn evenly."""
        import numpy as np

        chosen = np.unique(np.linspace(0, len(self) - 1, min(sample, len(self)), dtype=np.int64))
        k = min(k, len(self))
        truth = self._exact_neighbours(self.rows(chosen), k)
        _, found = self._index.search(self.rows(chosen), k, params=self._parameters(k, None))
        hits = sum(len(set(a) & set(b)) for a, b in zip(truth.tolist(), found.tolist(), strict=True))
        return hits / truth.size

    def _parameters(self, k: int, allowed: "Mask | None") -> Any:
        import numpy as np

        faiss = _faiss()
        selector = {}
        if allowed is not None:
            selector = {"sel": faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))}
        if self.ann == "hnsw":
            return faiss.SearchParametersHNSW(efSearch=max(_EF_SEARCH, 2 * k), **selector)
        if self.ann == "ivf":
            return faiss.SearchParametersIVF(nprobe=max(8, self._index.nlist // _SCANNED_SHARE), **selector)
        return faiss.SearchParameters(**selector)

    def _search_exactly(self, query: "Vectors", k: int, allowed: "Mask") -> list[tuple[int, float]]:
        import numpy as np

        rows = np.flatnonzero(allowed)
        scores = self.rows(rows) @ query[0]  # (allowed rows,)
        best = np.lexsort((rows, -scores))[:k]
        return [(int(rows[i]), _cosine(scores[i])) for i in best]

    def _exact_neighbours(self, queries: "Vectors", k: int) -> "NDArray[np.int64]":
        import numpy as np

        best_scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        best_rows = np.zeros((len(queries), k), dtype=np.int64)
        for start in range(0, len(self), _BLOCK_ROWS):
            block = np.arange(start, min(start + _BLOCK_ROWS, len(self)), dtype=np.int64)
            scores = np.hstack([best_scores, queries @ self.rows(block).T])
            rows = np.hstack([best_rows, np.broadcast_to(block, (len(queries), len(block)))])
            order = np.argsort(-scores, axis=1)[:, :k]
            best_scores, best_rows = (np.take_along_axis(x, order, axis=1) for x in (scores, rows))
        return best_rows


def _new_index(vectors: "Vectors", ann: Ann | None) -> Any:
    faiss = _faiss()
    dimension = vectors.shape[1]
    if ann == "hnsw":
        index = faiss.IndexHNSWFlat(dimension, _LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = _EF_CONSTRUCTION
    elif ann == "ivf":
        cells = max(1, min(int(4 * len(vectors) ** 0.5), len(vectors) // _POINTS_PER_CELL))
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dimension), dimension, cells, faiss.METRIC_INNER_PRODUCT)
        index.cp.min_points_per_centroid = 1  # no warnings on stderr about small collections
        index.train(vectors)
    else:
        index = faiss.IndexFlatIP(dimension)
    if len(vectors):
        index.add(vectors)
    if ann == "ivf":
        index.make_direct_map()  # rows can be read back by number
    return index


def _faiss() -> Any:
    """faiss, whose type stubs leave out many of the parameters that it takes."""
    import faiss

    return faiss


def _cosine(score: float) -> float:
    return max(-1.0, min(1.0, float(score)))
