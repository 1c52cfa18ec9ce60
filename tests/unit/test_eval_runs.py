"""The run of any evaluation: what is on disk, what is judged again, and what is refused."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from agent.commands.eval_options import check_minimums, flat, parse_minimums
from agent.evaluation.results_file import append_result, read_results
from agent.evaluation.runs import EvaluationRun, Metrics, summarize_metric
from tools.errors import SouschefError, UsageError


@dataclass(frozen=True)
class Number:
    id: str


NUMBERS = [Number(str(n)) for n in range(5)]
METRICS = Metrics({"double": 4.0}, {"double": {"low": 2.0, "high": 6.0, "n": 5}}, 5)


class Judge:
    """Doubles a number; the case `stops_at` ends the run."""

    def __init__(self, stops_at: str = "") -> None:
        self.stops_at = stops_at
        self.judged: list[str] = []

    def __call__(self, case: Number) -> dict[str, Any]:
        if case.id == self.stops_at:
            raise KeyboardInterrupt
        self.judged.append(case.id)
        return {"scores": {"double": 2.0 * int(case.id)}}


def run_of(
    judge: Callable[[Number], dict[str, Any]], out: Path | None, **kwargs: Any
) -> list[dict[str, Any]]:
    workers = kwargs.pop("workers", 1)
    return EvaluationRun(out, {"evaluation": "numbers"}, **kwargs).judge(
        NUMBERS, judge, workers=workers, title="numbers"
    )


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A run that was stopped at its fourth case."""
    with pytest.raises(KeyboardInterrupt):
        run_of(Judge(stops_at="3"), tmp_path / "run")
    return tmp_path / "run"


def test_a_run_writes_each_case_and_then_what_came_of_them(tmp_path: Path) -> None:
    run = EvaluationRun(tmp_path / "run", {"evaluation": "numbers"})
    results = run.judge(NUMBERS, Judge(), title="numbers")
    run.finish(METRICS)
    assert results == read_results(tmp_path / "run/results.jsonl")
    assert results[1] == {"id": "1", "scores": {"double": 2.0}}
    assert json.loads((tmp_path / "run/metrics.json").read_bytes()) == METRICS.to_json()
    assert {path.name for path in (tmp_path / "run").iterdir()} - {".lock"} == {
        "settings.json", "results.jsonl", "metrics.json", "report.html",
    }  # fmt: skip


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(run_of(Judge(), None)) == 5
    assert list(tmp_path.iterdir()) == []


def test_a_resumed_run_judges_only_what_is_left(stopped: Path) -> None:
    judge = Judge()
    results = run_of(judge, stopped, resume=True)
    assert judge.judged == ["3", "4"]
    assert results == run_of(Judge(), None) == read_results(stopped / "results.jsonl")


def test_a_torn_last_line_is_cut_and_its_case_judged_again(stopped: Path) -> None:
    with (stopped / "results.jsonl").open("ab") as file:
        file.write(b'{"id": "3", "scores": {"dou')
    judge = Judge()
    run_of(judge, stopped, resume=True)
    assert judge.judged == ["3", "4"]
    assert [result["id"] for result in read_results(stopped / "results.jsonl")] == ["0", "1", "2", "3", "4"]


def test_several_workers_keep_the_order_of_the_cases(stopped: Path) -> None:
    assert [result["id"] for result in run_of(Judge(), stopped, resume=True, workers=3)] == list("01234")


@pytest.mark.parametrize(
    ("settings", "resume", "said"),
    [
        ({"evaluation": "numbers"}, False, "holds an evaluation: go on with it by --resume"),
        ({"evaluation": "letters"}, True, 'was begun with evaluation = "numbers", which is "letters" now'),
        ({"evaluation": "numbers", "seed": 1}, True, "was begun with seed = null, which is 1 now"),
    ],
)
def test_a_folder_is_not_written_over(stopped: Path, settings: Any, resume: bool, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        EvaluationRun(stopped, settings, resume=resume)


def test_a_folder_of_something_else_and_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for out, said in ((tmp_path, "holds no evaluation"), (tmp_path / "notes.txt", "is a file")):
        with pytest.raises(UsageError, match=said):
            EvaluationRun(out, {})


def test_two_processes_do_not_judge_the_same_cases(stopped: Path) -> None:
    with FileLock(stopped / ".lock"), pytest.raises(UsageError, match="Another process"):
        run_of(Judge(), stopped, resume=True)


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text('{"id": "0"}\nnonsense\n')
    with pytest.raises(SouschefError, match=r"results\.jsonl, line 2 holds no result"):
        read_results(tmp_path / "results.jsonl")


def test_a_number_that_json_has_no_word_for_is_a_mistake_of_the_evaluation(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        append_result(tmp_path / "results.jsonl", {"id": "0", "scores": {"ratio": float("nan")}})


def test_cases_that_a_metric_does_not_apply_to_are_not_counted() -> None:
    assert summarize_metric([0.5, None, 0.5]) == (0.5, {"low": 0.5, "high": 0.5, "n": 2})
    assert summarize_metric([None]) == (None, {"low": None, "high": None, "n": 0})


def test_minimums_are_read_and_held_against_nested_metrics() -> None:
    metrics = {"accuracy": 0.5, "lead-3": {"rouge1": 0.4}, "args": None}
    assert flat(metrics) == {"accuracy": 0.5, "lead-3.rouge1": 0.4, "args": None}
    check_minimums(metrics, parse_minimums(["accuracy=0.5", "lead-3.rouge1=0.3"]))
    with pytest.raises(SouschefError, match=r"^lead-3\.rouge1 is 0\.4, below its minimum of 0\.41\.$"):
        check_minimums(metrics, {"lead-3.rouge1": 0.41})
    with pytest.raises(SouschefError, match="args is measured on no case"):
        check_minimums(metrics, {"args": 0.1})


@pytest.mark.parametrize("given", ["accuracy", "accuracy=", "=0.5", "accuracy=high", "accuracy=nan"])
def test_what_is_no_minimum_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="is no METRIC=VALUE"):
        parse_minimums([given])


def test_a_minimum_of_an_unknown_metric_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="--min acuracy: there is no such metric here; there are accuracy"):
        parse_minimums(["acuracy=0.5"], known=["accuracy"])
