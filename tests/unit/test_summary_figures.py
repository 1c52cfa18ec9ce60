"""Means, spreads and differences over rows, against worked numbers."""

import pytest

from agent.evaluation.summary_figures import differences, means, spread


def test_a_number_that_is_missing_leaves_its_row_out() -> None:
    found, intervals = means({"p": {"copied": [0.5, None, 1.0]}}, seed=0)
    assert found == {"p": {"copied": 0.75}}
    assert intervals["p"]["copied"]["n"] == 2


def test_toxicity_comes_with_its_standard_deviation() -> None:
    found, intervals = means({"p": {"toxicity": [0.2, 0.4, None, 0.6]}}, seed=0)
    assert found["p"] == {"toxicity": pytest.approx(0.4), "toxicity_std": pytest.approx((0.08 / 3) ** 0.5)}
    interval = intervals["p"]["toxicity_std"]
    assert 0 <= interval["low"] < found["p"]["toxicity_std"] <= interval["high"] <= 0.2 + 1e-9
    assert interval["n"] == 3


def test_no_number_at_all_is_said_as_none() -> None:
    assert spread([None], 0) == (None, {"low": None, "high": None, "n": 0})
    assert means({"p": {"copied": [None]}}, 0)[0] == {"p": {"copied": None}}


def test_a_small_gain_on_every_row_is_more_than_noise_and_a_large_one_on_one_row_is_not() -> None:
    before = [0.1, 0.9, 0.4, 0.6, 0.2, 0.8]
    steady = [value + 0.01 for value in before]
    lucky = [value + 0.5 * (row == 0) for row, value in enumerate(before)]
    found = differences({"a": {"x": before}, "b": {"x": steady}, "c": {"x": lucky}}, 0)
    said = {
        later: {to: by["x"]["more_than_noise"] for to, by in less.items()} for later, less in found.items()
    }
    assert said == {"b": {"a": True}, "c": {"a": False, "b": False}}
    assert found["b"]["a"]["x"]["mean"] == pytest.approx(0.01)


def test_rows_without_both_numbers_are_not_paired() -> None:
    found = differences({"a": {"x": [None, 1.0, 2.0]}, "b": {"x": [5.0, None, 3.0]}}, 0)
    assert (found["b"]["a"]["x"]["n"], found["b"]["a"]["x"]["mean"]) == (1, 1.0)
    assert differences({"a": {"x": [None]}, "b": {"x": [1.0]}}, 0) == {"b": {"a": {}}}
