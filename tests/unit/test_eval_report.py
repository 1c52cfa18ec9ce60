"""An evaluation's page: all of it escaped, none from elsewhere, a script only where a reader may choose."""

import re
from html import unescape
from typing import Any

import pytest

from agent.evaluation.report import highlighted, render
from agent.evaluation.report_bars import bar, groups

INTERVAL = {"low": 0.4, "high": 0.6, "n": 20}
METRICS: dict[str, Any] = {
    "metrics": {"route_accuracy": 0.5, "steps": 1.5, "args_accuracy": None},
    "intervals": {"route_accuracy": INTERVAL, "steps": {"low": 1.0, "high": 2.0, "n": 20}},
    "n": 20,
    "confusion": {"expected": ["direct"], "taken": ["direct", "none"], "counts": [[3, 1]]},
    "baselines": {"route_accuracy": {"always direct": 0.25}},
    "latency_s": {"p50": 1.25},
}  # fmt: skip
RESULT = {
    "id": "c1", "title": "<script>alert(1)</script>", "failed": ["route_accuracy"], "scores": {"steps": 1.0},
    "columns": [
        {"title": "With", "text": "Beat eggs.", "marks": ["eggs"], "choice": "with"},
        {"title": "Without", "text": "", "choice": "without"},
    ],
    "passages": [
        {"name": "Omelette", "score": 0.75, "text": "3 <b>eggs</b>"},
        {"name": "x", "score": None, "text": "y"},
    ],
}  # fmt: skip
PLAIN = {"id": "c2", "columns": [{"title": "Answer", "text": "Hello."}]}


def test_the_page_shows_settings_metrics_routes_and_cases() -> None:
    page = render({"evaluation": "agent", "model": "tiny"}, METRICS, [RESULT])
    for shown in (
        "Evaluation: agent", "n = 20", "tiny", "0.500 (0.400 to 0.600, n = 20)", "always direct", "0.250",
        "measured on no case", ">3</td>", "latency_s.p50", "1.25", "✗ route accuracy", "<mark>eggs</mark>",
        "(nothing)", "Omelette", "0.750",
    ):  # fmt: skip
        assert shown in page, shown
    assert page.count("<svg") == 3


def test_what_models_and_recipes_write_is_text() -> None:
    page = render({"evaluation": "agent"}, METRICS, [RESULT])
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "3 &lt;b&gt;eggs&lt;/b&gt;" in page


def test_a_page_has_a_script_only_where_there_is_something_to_choose() -> None:
    quiet, asking = render({}, METRICS, [PLAIN]), render({}, METRICS, [RESULT])
    assert "<script" not in quiet
    assert "script-src" not in quiet
    assert re.search(r"script-src 'sha256-[\w+/]{43}='", unescape(asking))
    assert re.findall(r'name="case-c1" data-case="c1" value="(\w+)"', asking) == ["with", "without", "tie"]


def test_paired_differences_say_whether_they_are_more_than_noise() -> None:
    found = {"mean": 0.25, "low": 0.125, "high": 0.5, "n": 9, "more_than_noise": True}
    page = render({}, METRICS | {"differences": {"ours": {"lead-3": {"rouge1": found}}}}, [])
    assert (
        "<th>rouge1: ours - lead-3</th><td>+0.25 (+0.125 to +0.5), n = 9</td><td>more than noise</td>" in page
    )
    assert "differences.ours" not in page


def test_a_page_asks_for_nothing_from_elsewhere() -> None:
    page = render({"evaluation": "agent"}, METRICS, [RESULT])
    assert re.findall(r"(?:src|href)=|url\(|@import|https?://", page) == []
    assert "default-src 'none'" in unescape(page)


def test_an_unfinished_evaluation_has_a_page_too() -> None:
    assert "The evaluation is not finished." in render({"evaluation": "agent"}, {}, [PLAIN])


@pytest.mark.parametrize(
    ("marks", "marked"),
    [(["egg"], []), (["EGGS", "beat"], ["Beat", "eggs"]), (["a+b"], ["a+b"]), ([], [])],
)
def test_only_whole_words_are_highlighted(marks: list[str], marked: list[str]) -> None:
    pieces = highlighted("Beat eggs, a+b.", marks)
    assert [piece for piece, is_marked in pieces if is_marked] == marked
    assert "".join(piece for piece, _ in pieces) == "Beat eggs, a+b."


def test_a_bar_begins_at_zero_and_its_interval_lies_on_the_same_scale() -> None:
    drawn = bar(0.5, 0.25, 0.75, 0.0, 1.0)
    assert 'class="bar" x="0.00" y="1" width="100.00"' in drawn
    assert 'd="M50.00 6H150.00' in drawn
    below = bar(-0.5, -1.0, 0.0, -1.0, 1.0)
    assert 'class="bar" x="50.00" y="1" width="50.00"' in below


def test_metrics_of_several_policies_are_grouped_by_metric() -> None:
    table = {"lead-3": {"rouge1": 0.3, "words": 60.0}, "tiny": {"rouge1": 0.2, "words": 90.0}}
    found = groups(table, {}, {})
    assert [(group.title, [bar.label for bar in group.bars]) for group in found] == [
        ("rouge1", ["lead-3", "tiny"]),
        ("words", ["lead-3", "tiny"]),
    ]
