"""Bootstrap intervals: how far a mean over rows, or over paired differences, could be off by chance.

Percentile intervals (Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13): rows are drawn
again with replacement, and the middle 95% of the means so found are given. Rows must be independent of each
other, which is why a held-out article counts once. Left out: bias correction, which hardly moves an interval
of a mean, and intervals of anything but means.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000  # an end of the interval is then known to about a tenth of its distance from the mean
LEVEL = 0.95
_DRAWS_AT_ONCE = 1 << 22  # 32 MiB of indices


@dataclass(frozen=True)
class Interval:
    """A mean over n rows, the standard deviation of the rows, and the ends of the mean's interval."""

    mean: float
    std: float
    low: float
    high: float
    n: int


def mean_interval(
    values: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES, level: float = LEVEL
) -> Interval:
    """The mean of values, one a row, with its percentile interval; one row has an interval without width.

    Raises ValueError where there are no values.

    >>> mean_interval([1.0, 1.0, 1.0])
    Interval(mean=1.0, std=0.0, low=1.0, high=1.0, n=3)
    """
    rows = np.asarray(values, dtype=np.float64)  # (n,)
    if not rows.size:
        raise ValueError("no values to average")
    means = _resampled_means(rows, seed, resamples)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(rows.mean()), float(rows.std()), float(low), float(high), rows.size)


def difference_interval(
    before: Sequence[float],
    after: Sequence[float],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Interval:
    """The mean of after - before over pairs, with its interval: narrow where pairs agree.

    Raises ValueError where the two differ in length or are empty.
    """
    differences = [late - early for early, late in zip(before, after, strict=True)]
    return mean_interval(differences, seed=seed, resamples=resamples, level=level)


def _resampled_means(rows: NDArray[np.float64], seed: int, resamples: int) -> NDArray[np.float64]:
    """Means of as many rows drawn with replacement: (resamples,)."""
    random = np.random.default_rng(seed)
    at_once = max(1, _DRAWS_AT_ONCE // rows.size)
    counts = [min(at_once, resamples - start) for start in range(0, resamples, at_once)]
    drawn = [rows[random.integers(rows.size, size=(count, rows.size))].mean(axis=1) for count in counts]
    return np.concatenate(drawn)
