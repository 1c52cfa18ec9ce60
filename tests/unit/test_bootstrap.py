"""Bootstrap intervals against what is known of normal data, and of pairs."""

import numpy as np
import pytest

from tools import bootstrap
from tools.bootstrap import difference_interval, mean_interval

NORMAL = np.random.default_rng(0).normal(3.0, 2.0, size=400).tolist()


def test_a_mean_comes_with_its_spread_and_number_of_rows() -> None:
    found = mean_interval([1.0, 2.0, 3.0, 6.0])
    assert found.std == pytest.approx(3.5**0.5)
    assert (found.mean, found.n) == (3.0, 4)
    assert 1.0 <= found.low < 3.0 < found.high <= 6.0


def test_an_interval_of_many_normal_rows_is_as_wide_as_theory_says() -> None:
    found = mean_interval(NORMAL)
    assert found.high - found.low == pytest.approx(2 * 1.96 * found.std / 400**0.5, rel=0.05)


def test_about_95_of_100_intervals_hold_the_true_mean() -> None:
    random = np.random.default_rng(1)
    intervals = [mean_interval(random.normal(size=50).tolist(), seed=n) for n in range(400)]
    held = sum(interval.low <= 0 <= interval.high for interval in intervals)
    assert 0.92 <= held / 400 <= 0.97


def test_a_lower_level_is_narrower() -> None:
    wide, narrow = mean_interval(NORMAL), mean_interval(NORMAL, level=0.5)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_the_seed_decides_an_interval() -> None:
    first, again, other = (mean_interval(NORMAL, seed=seed) for seed in (4, 4, 5))
    assert (first == again, first == other) == (True, False)


def test_an_interval_does_not_depend_on_how_much_is_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = mean_interval(NORMAL, resamples=50)
    monkeypatch.setattr(bootstrap, "_DRAWS_AT_ONCE", 7 * 400)
    assert mean_interval(NORMAL, resamples=50) == at_once


def test_a_small_gain_on_every_row_is_seen_in_the_pairs() -> None:
    after = [value + 0.1 for value in NORMAL]
    gain, before, later = difference_interval(NORMAL, after), mean_interval(NORMAL), mean_interval(after)
    assert [gain.low, gain.high] == pytest.approx([0.1, 0.1])
    assert later.low < before.high


def test_a_difference_is_after_minus_before() -> None:
    assert difference_interval([1.0, 1.0], [0.0, 0.0]).mean == -1.0


def test_pairs_of_unequal_number_are_a_bug() -> None:
    with pytest.raises(ValueError, match="shorter"):
        difference_interval([1.0, 2.0], [1.0])


def test_no_rows_have_no_mean() -> None:
    with pytest.raises(ValueError, match="no values"):
        mean_interval([])
