"""Join rankings of the same rows into one.

Reciprocal rank fusion: Cormack, Clarke and Buettcher, "Reciprocal rank fusion outperforms Condorcet and
individual rank learning methods", SIGIR 2009. It looks at ranks alone, so a cosine and a BM25 score need no
common scale.
"""

from collections.abc import Sequence

RRF_K = 60  # the paper's constant: how little the first ranks outweigh the next


def fuse(rankings: Sequence[Sequence[int]], k: int) -> list[tuple[int, float]]:
    """The k best rows by the sum of 1 / (60 + rank) over the rankings, best first.

    >>> [row for row, _ in fuse([[7, 8, 9], [9, 7]], k=2)]
    [7, 9]
    """
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, row in enumerate(ranking, start=1):
            scores[row] = scores.get(row, 0.0) + 1 / (RRF_K + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:k]
