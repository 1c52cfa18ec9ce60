"""From one number a row to a table: means, standard deviations and paired differences, all with intervals.

Two policies are compared over the rows that both have a number for, row by row, which says more than whether
their intervals overlap: rows that are hard for one are mostly hard for the other (Koehn 2004, EMNLP). Left
out: a correction for looking at many differences at once, so of twenty that are noise one will look real.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from agent.evaluation.runs import summarize_metric
from tools.bootstrap import LEVEL, RESAMPLES, difference_interval

Column = Sequence[float | None]  # one number a row; None where the metric does not apply
Table = Mapping[str, Mapping[str, Column]]  # writer -> metric -> column

TOXICITY = "toxicity"
TOXICITY_STD = "toxicity_std"


def means(table: Table, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Every writer's metrics, and their intervals in the same shape."""
    found: dict[str, dict[str, Any]] = {}
    intervals: dict[str, dict[str, Any]] = {}
    for writer, columns in table.items():
        summarized = {name: summarize_metric(column, seed) for name, column in columns.items()}
        if TOXICITY in columns:
            summarized[TOXICITY_STD] = spread(columns[TOXICITY], seed)
        found[writer] = {name: mean for name, (mean, _) in summarized.items()}
        intervals[writer] = {name: interval for name, (_, interval) in summarized.items()}
    return found, intervals


def spread(column: Column, seed: int) -> tuple[float | None, dict[str, float | int | None]]:
    """The standard deviation of a column, and its percentile bootstrap interval.

    >>> spread([0.2, None, 0.2], 0)
    (0.0, {'low': 0.0, 'high': 0.0, 'n': 2})
    """
    rows = np.array([value for value in column if value is not None], dtype=np.float64)
    if not rows.size:
        return None, {"low": None, "high": None, "n": 0}
    random = np.random.default_rng(seed)
    drawn = [float(rows[random.integers(rows.size, size=rows.size)].std()) for _ in range(RESAMPLES)]
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(rows.std()), {"low": float(low), "high": float(high), "n": rows.size}


def differences(table: Table, seed: int) -> dict[str, dict[str, Any]]:
    """Each writer less each one that stands before it: writer -> other -> metric -> difference.

    A difference is more than noise where its interval leaves out 0.
    """
    found: dict[str, dict[str, Any]] = {}
    for earlier, later in combinations(table, 2):
        found.setdefault(later, {})[earlier] = {
            name: difference
            for name, column in table[later].items()
            if (difference := _difference(table[earlier][name], column, seed)) is not None
        }
    return found


def _difference(before: Column, after: Column, seed: int) -> dict[str, Any] | None:
    pairs = [
        (early, late)
        for early, late in zip(before, after, strict=True)
        if early is not None and late is not None
    ]
    if not pairs:
        return None
    found = difference_interval(*zip(*pairs, strict=True), seed=seed)
    noise = found.low <= 0 <= found.high
    return {
        "mean": found.mean,
        "low": found.low,
        "high": found.high,
        "n": found.n,
        "more_than_noise": not noise,
    }
