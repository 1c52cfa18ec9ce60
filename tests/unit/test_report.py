"""A run's report: one page, whole or half a run, and nothing in it that the run's texts could start."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from constructed_runs import healthy, interval

from tools.errors import TrainingError
from training.report import write_report
from training.report_curves import curves
from training.report_tables import Cell, comparisons, sample_groups
from training.svg_chart import chart, moving_average, ticks, within

EVALUATION = {
    "n": 64,
    "bootstrap": {"level": 0.95},
    "temperature_1": {
        "before": {"reward": interval(0.25, 0.02), "words": interval(60, 3)},
        "after": {"reward": interval(0.29, 0.02), "words": interval(61, 3)},
        "difference": {"reward": interval(0.04, 0.01), "words": interval(1, 3)},
    },
    "baselines": {"lead-3": {"reward": interval(0.3, 0.02)}, "random-3": {}},
}  # fmt: skip
SAMPLE = {
    "id": "cnn-7", "temperature": 1.0, "article_excerpt": "The hall closes …", "reference": "Hall closes .",
    "before": "A hall.", "after": "", "reward_before": 0.21, "reward_after": 0.0,
}  # fmt: skip


class Reader(HTMLParser):
    """The tags and attributes of a page, its text, and whether every tag was closed in turn."""

    OPEN = frozenset({"meta", "link", "br", "img", "line", "circle", "polyline"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._stack: list[str] = []
        self.feed(page)
        assert self._stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.OPEN:
            self._stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self._stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def whole_run(folder: Path) -> Path:
    config = {"name": "gpt2-rouge1", "model": "gpt2-cnn", "lora_rank": 0, "steps": 250, "batch_size": 4}
    lines = [{**line, "learning_rate": 1e-5, "reward/rouge1": 0.2, "reward/x": 1.0} for line in healthy(3)]
    times = [
        {"step": n, "seconds": 2.0, "rollout_s": 0.5, "tokens_per_s": 400.0} for n in range(1, len(lines) + 1)
    ]
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evaluation.json").write_text(json.dumps(EVALUATION))
    for name, rows in (("metrics", lines), ("timing", times), ("samples", [SAMPLE])):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_a_whole_run_is_told_on_one_page(tmp_path: Path) -> None:
    path = write_report(whole_run(tmp_path))
    page = Reader(path.read_text(encoding="utf-8"))
    told = (
        *("gpt2-rouge1", "250", "8:20 min, 2 s a step", "25% of the time", "400 tokens/s", "Learning."),
        *("Sampled at temperature 1, n = 64", "+0.040", "0.030 to 0.050", "lead-3", "95% bootstrap"),
        *("The hall closes …", "Hall closes .", "Before · reward 0.210", "A hall.", "(nothing)"),
    )
    assert [words for words in told if words not in page.text] == []
    assert path == tmp_path / "report.html"


def test_every_curve_that_was_asked_for_is_drawn_with_the_parts_of_the_reward() -> None:
    lines = [{**line, "learning_rate": 1e-5, "reward/a": 0.2, "reward/b": 1.0} for line in healthy(0, 40)]
    assert [curve.title for curve in curves(lines)] == [
        *("reward", "reward/a", "reward/b", "KL", "entropy", "response length", "EOS share", "repetition"),
        *("value loss", "explained variance", "clip fraction", "learning rate"),
    ]


def test_the_page_asks_for_nothing_and_runs_nothing(tmp_path: Path) -> None:
    text = write_report(whole_run(tmp_path)).read_text(encoding="utf-8")
    page = Reader(text)
    names = {name for name, _ in page.attributes}
    assert {"script", "link", "img", "iframe", "object", "embed"} & set(page.tags) == set()
    assert {"src", "href", "action", "style"} & names == set()
    assert not [name for name in names if name.startswith("on")]
    assert re.findall(r"url\(|@import|https?:", text) == []
    assert "prefers-color-scheme: dark" in text


def test_no_text_of_a_run_becomes_markup(tmp_path: Path) -> None:
    run = whole_run(tmp_path)
    bad = "</p><script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7 * 7 }}"
    names = ("id", "article_excerpt", "reference", "before", "after")
    (run / "samples.jsonl").write_text(json.dumps(dict.fromkeys(names, bad)))
    (run / "config.json").write_text(json.dumps({"name": bad, "model": bad, bad: {"x": bad}}))
    (run / "evaluation.json").write_text(
        json.dumps({"temperature_1": {"before": {bad: {"mean": 1}}}, "baselines": {bad: {bad: {"mean": 1}}}})
    )
    lines = [{**line, f"reward/{bad}": 1.0, "reward/b": 0.5} for line in healthy(0, 30)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = Reader(write_report(run).read_text(encoding="utf-8"))
    assert {"script", "img"} & set(page.tags) == set()
    assert page.text.count("alert(1)</script>") >= 12
    assert "49" not in page.text[page.text.index("Samples") :]


@pytest.mark.parametrize(
    "missing", ["config.json", "metrics.jsonl", "timing.jsonl", "evaluation.json", "samples.jsonl"]
)
def test_what_is_not_there_yet_is_left_out(tmp_path: Path, missing: str) -> None:
    run = whole_run(tmp_path / "my run")
    (run / missing).unlink()
    page = Reader(write_report(run).read_text(encoding="utf-8"))
    assert ("gpt2-rouge1" in page.text, "my run" in page.text) == (
        missing != "config.json",
        missing == "config.json",
    )


def test_a_run_without_a_step_says_so(tmp_path: Path) -> None:
    page = Reader(write_report(tmp_path).read_text(encoding="utf-8"))
    assert "No step has been finished yet." in page.text


def test_torn_lines_are_passed_over_and_torn_files_are_named(tmp_path: Path) -> None:
    run = whole_run(tmp_path)
    for name in ("metrics", "timing", "samples"):
        with (run / f"{name}.jsonl").open("a") as file:
            file.write('{"step": 251, "rew')
    (run / "evaluation.json").write_text('{"n": 6')
    page = Reader(write_report(run).read_text(encoding="utf-8"))
    assert "evaluation.json cannot be read and is left out." in page.text
    assert "over 250 steps" in page.text


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"There is no run at .*nowhere: give the folder"):
        write_report(tmp_path / "nowhere")


def test_differences_are_marked_where_their_interval_leaves_out_zero() -> None:
    (table,) = comparisons(EVALUATION)
    assert (table.title, table.n) == ("Sampled at temperature 1", 64)
    assert table.columns == ("before", "after", "change", "lead-3")
    before, after = Cell("0.250", "0.230 to 0.270", "SD 0.100"), Cell("0.290", "0.270 to 0.310", "SD 0.100")
    assert table.rows[0] == (
        "reward",
        (
            before,
            after,
            Cell("+0.040", "0.030 to 0.050", "", True),
            Cell("0.300", "0.280 to 0.320", "SD 0.100"),
        ),
    )
    assert table.rows[-1][1][2:] == (Cell("+1.000", "-2.000 to 4.000", "", False), None)


def test_a_number_that_rounds_to_zero_has_no_minus() -> None:
    (table,) = comparisons({"temperature_1": {"after": {"kl": {"mean": -1e-7, "low": -2e-7, "high": 0.0}}}})
    assert table.rows[0][1][1] == Cell("0.000", "0.000 to 0.000", "")


def test_the_numbers_at_an_axis_differ() -> None:
    svg = chart(np.arange(1.0, 4.0), np.array([10.4981, 10.4992, 10.5003]), "entropy")
    labels = re.findall(r'text-anchor="end">([^<]+)<', svg)[:-1]
    assert labels == ["10.499", "10.5"]


def test_a_part_that_is_the_reward_itself_is_not_shown_twice() -> None:
    (table,) = comparisons(
        {"temperature_0": {"after": {key: {"mean": 1} for key in ("rouge1", "reward/rouge1")}}}
    )
    assert ([row[0] for row in table.rows], table.title) == (["ROUGE-1 F"], "Greedy")


def test_samples_are_counted_by_temperature_and_cut_to_what_was_asked() -> None:
    lines: list[dict[str, Any]] = [
        {**SAMPLE, "temperature": t, "id": f"{n}"} for t in (1.0, 0) for n in range(3)
    ]
    groups = sample_groups(lines, 2)
    assert [(g.title, g.total, [s.id for s in g.shown]) for g in groups] == [
        ("Sampled at temperature 1", 3, ["0", "1"]),
        ("Greedy", 3, ["0", "1"]),
    ]


def test_rewards_of_a_sample_may_be_given_one_by_one() -> None:
    ((group,)) = sample_groups([{"rewards_after": {"rouge1": 0.5, "brief": -1}}], 1)
    assert group.shown[0].rewards_after == "rouge1 0.500, brief -1.000"


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5], [0.0] * 60, list(range(2000)), [-1e-9, 1e9]])
def test_any_curve_is_drawn_inside_its_frame(values: list[float]) -> None:
    curve = np.array(values, dtype=np.float64)
    svg = chart(np.arange(1.0, len(curve) + 1), curve, 'a "label" <b>')
    points = re.findall(r"(-?[\d.]+),(-?[\d.]+)", svg)
    assert points
    assert len(points) <= 2 * 400
    assert all(48 <= float(x) <= 352 and 8 <= float(y) <= 150 for x, y in points)
    Reader(svg)


def test_an_outlier_does_not_flatten_a_curve() -> None:
    values = np.sin(np.arange(200.0))
    values[50] = -500.0
    assert within(values).min() > -4
    assert (within(values) != values).sum() == 1


def test_a_moving_average_keeps_means_and_length() -> None:
    assert moving_average(np.full(100, 3.0)).tolist() == [3.0] * 100
    assert moving_average(np.array([5.0])).tolist() == [5.0]


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3e-6, 2e-6), (0.2999, 0.3001), (1e5, 9e6), (-50, -2)])
def test_axes_have_a_few_round_numbers(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 2 <= len(found) <= 5
    assert all(low <= tick <= high for tick in found)
