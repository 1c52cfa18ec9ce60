"""Search by words: BM25 over stemmed English, through bm25s.

The table is made from the passages when a lexical search first needs it (0.1 s per thousand recipes) and kept
in memory; it is not stored, so that there is no second copy of the text to keep in step.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class LexicalTable:
    """BM25 weights of every word in every passage."""

    def __init__(self, texts: Iterable[str]) -> None:
        import bm25s  # type: ignore[import-untyped]
        import Stemmer

        self._stemmer = Stemmer.Stemmer("english")
        self._bm25: Any = bm25s.BM25(method="lucene")
        self._words = 0
        words = bm25s.tokenize(list(texts), stopwords="en", stemmer=self._stemmer, show_progress=False)
        if words.vocab:
            self._bm25.index(words, show_progress=False)
            self._words = len(words.vocab)

    def search(
        self, query: str, k: int, allowed: "NDArray[np.bool_] | None" = None
    ) -> list[tuple[int, float]]:
        """The k best allowed rows that share a word with the query, with their BM25 score, best first."""
        import bm25s
        import numpy as np

        [stems] = bm25s.tokenize(
            [query], stopwords="en", stemmer=self._stemmer, show_progress=False, return_ids=False
        )
        known = self._bm25.get_tokens_ids(stems) if self._words else []
        if not known:
            return []
        scores = self._bm25.get_scores_from_ids(known)
        rows = np.flatnonzero(scores > 0 if allowed is None else (scores > 0) & allowed)
        best = rows[np.lexsort((rows, -scores[rows]))][:k]
        return [(int(row), float(scores[row])) for row in best]
