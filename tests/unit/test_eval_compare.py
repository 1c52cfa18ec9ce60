"""Comparing two evaluations: paired by case, and quiet about what chance alone may do."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from agent.evaluation import compare
from agent.evaluation.results_file import append_result
from tools.errors import SouschefError, UsageError


def evaluation(folder: Path, scores: Mapping[str, Sequence[float | None]], **settings: object) -> Path:
    """A folder with these scores, the n-th of each for case n."""
    folder.mkdir()
    (folder / "settings.json").write_text(json.dumps({"evaluation": "agent", **settings}))
    for n, values in enumerate(zip(*scores.values(), strict=True)):
        append_result(
            folder / "results.jsonl", {"id": f"case {n}", "scores": dict(zip(scores, values, strict=True))}
        )
    return folder


def test_differences_are_paired_and_what_is_clear_is_said_to_be(tmp_path: Path) -> None:
    hard: list[float] = [n / 20 for n in range(20)]
    easier: list[float] = [n / 20 + 0.1 for n in range(20)]
    a = evaluation(tmp_path / "a", {"rouge": hard, "steps": [1.0] * 20}, model="small")
    b = evaluation(tmp_path / "b", {"rouge": easier, "steps": [1.0, 2.0] * 10}, model="large")
    found = compare(a, b).metrics
    assert found.metrics["rouge"] == pytest.approx(0.1)
    assert found.intervals["rouge"] == pytest.approx({"low": 0.1, "high": 0.1, "n": 20})
    assert (found.extra["before"]["steps"], found.extra["after"]["steps"]) == (1.0, 1.5)
    assert found.extra["more_than_noise"] == ["rouge", "steps"]
    assert found.extra["settings_that_differ"] == {"model": ["small", "large"]}


def test_a_difference_that_goes_both_ways_is_noise(tmp_path: Path) -> None:
    a = evaluation(tmp_path / "a", {"route": [0.0, 1.0] * 10})
    b = evaluation(tmp_path / "b", {"route": [1.0, 0.0] * 9 + [1.0, 1.0]})
    assert compare(a, b).metrics.extra["more_than_noise"] == []


def test_five_cases_that_agree_are_too_few_to_say(tmp_path: Path) -> None:
    a = evaluation(tmp_path / "a", {"route": [0.0] * 5})
    b = evaluation(tmp_path / "b", {"route": [1.0] * 5})
    assert compare(a, b).metrics.extra["more_than_noise"] == []


def test_only_cases_that_both_judged_and_scored_are_paired(tmp_path: Path) -> None:
    a = evaluation(tmp_path / "a", {"args": [0.0, None, 1.0], "only_here": [1.0, 1.0, 1.0]})
    b = evaluation(tmp_path / "b", {"args": [1.0, 1.0, 1.0, 1.0]})
    found = compare(a, b).metrics
    assert (found.metrics, found.intervals["args"]["n"], found.n) == ({"args": 0.5}, 2, 3)
    assert (found.extra["only_before"], found.extra["only_after"]) == (0, 1)


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    a = evaluation(tmp_path / "a", {"route": [1.0]})
    other = evaluation(tmp_path / "other", {"rouge": [1.0]}, evaluation="summaries")
    empty = evaluation(tmp_path / "apart", {"route": [1.0]})
    (empty / "results.jsonl").write_text('{"id": "elsewhere"}\n')
    with pytest.raises(UsageError, match="compare two of one kind"):
        compare(a, other)
    with pytest.raises(SouschefError, match="no case in common"):
        compare(a, empty)
    with pytest.raises(SouschefError, match="holds no evaluation"):
        compare(a, tmp_path / "nowhere")
