"""report.html: an evaluation on one page that needs nothing else, neither files beside it nor a network.

It shows what any evaluation writes: settings, metrics with intervals, a confusion matrix where there is one,
and the cases. Of a result it reads "title" or "question", "failed" (names of checks), "scores", "columns"
([{"title", "text", "marks"?: words to highlight, "choice"?: name}]) and "passages" ([{"name", "score",
"text"}]). Where columns have a "choice", the reader may prefer one; a small script keeps that in the browser
and saves it as choices.json, {"report": key, "choices": {case id: choice, or "tie"}}. No other page has a
script.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from agent.evaluation.report_bars import groups
from agent.evaluation.results_file import RESULTS, read_results
from agent.evaluation.runs import METRICS, SETTINGS
from tools.files import atomic_write
from tools.pages import page_template

REPORT = "report.html"
_MOST_CASES = 500
_OPEN_CASES = 40  # of so few, each is shown at once
_FACTS = ("model", "policy", "judge", "cases", "index", "limit", "seed")
_LONGEST_FIGURE = 600  # characters


def write_report(out: Path) -> Path:
    """Write OUT/report.html from the settings, metrics and results in the folder."""
    page = render(_read(out / SETTINGS), _read(out / METRICS), read_results(out / RESULTS))
    with atomic_write(out / REPORT) as file:
        file.write(page.encode("utf-8", "replace"))
    return out / REPORT


def render(
    settings: Mapping[str, Any], metrics: Mapping[str, Any], results: Sequence[Mapping[str, Any]]
) -> str:
    """The page as text; all that comes from models, cases and recipes is escaped."""
    cases = [_case(result) for result in results[:_MOST_CASES]]
    script = _text("report_choices.js") if any(case["choices"] for case in cases) else ""
    known = {"metrics", "intervals", "n", "confusion", "baselines", "differences"}
    return page_template("agent.evaluation", "report_page.html").render(
        kind=str(settings.get("evaluation", "")),
        key=_key(settings, results),
        n=metrics.get("n", len(results)),
        facts=[(name, _plain(settings[name])) for name in _FACTS if settings.get(name) is not None],
        groups=groups(metrics.get("metrics", {}), metrics.get("intervals", {}), metrics.get("baselines", {})),
        confusion=_confusion(metrics.get("confusion")),
        differences=_differences(metrics.get("differences", {})),
        more=_more({name: value for name, value in metrics.items() if name not in known}),
        cases=cases,
        left_out=max(0, len(results) - _MOST_CASES),
        is_open=len(results) <= _OPEN_CASES,
        settings=[(name, _plain(value)) for name, value in settings.items()],
        script=script,
        policy=_content_policy(script),
    )


def report_key(out: Path) -> str:
    """What tells the page of this evaluation from others, and stands in the choices saved from it."""
    return _key(_read(out / SETTINGS), read_results(out / RESULTS))


def _key(settings: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> str:
    named = json.dumps([settings, [result["id"] for result in results]])
    return hashlib.sha256(named.encode()).hexdigest()[:16]


def highlighted(text: str, marks: Sequence[str]) -> list[tuple[str, bool]]:
    """The text in pieces, and whether each is one of the words to highlight.

    >>> highlighted("Beat the Eggs.", ["eggs"])
    [('Beat the ', False), ('Eggs', True), ('.', False)]
    """
    if not marks:
        return [(text, False)] if text else []
    words = "|".join(re.escape(mark) for mark in sorted(marks, key=len, reverse=True))
    pieces = re.split(rf"(?<!\w)({words})(?!\w)", text, flags=re.IGNORECASE)
    return [(piece, bool(place % 2)) for place, piece in enumerate(pieces) if piece]


def _case(result: Mapping[str, Any]) -> dict[str, Any]:
    columns = [
        {"title": column["title"], "pieces": highlighted(str(column["text"]), column.get("marks") or ())}
        for column in result.get("columns", ())
    ]
    choices = [
        (column["choice"], column["title"]) for column in result.get("columns", ()) if column.get("choice")
    ]
    return {
        "id": result["id"],
        "title": _one_line(str(result.get("title") or result.get("question") or result["id"])),
        "failed": [str(name).replace("_", " ") for name in result.get("failed", ())],
        "scores": [
            (name.replace("_", " "), f"{value:.4g}")
            for name, value in result.get("scores", {}).items()
            if value is not None
        ],
        "columns": columns,
        "choices": [*choices, ("tie", "Neither")] if choices else [],
        "passages": [
            {**passage, "score": "" if passage.get("score") is None else f"{passage['score']:.3f}"}
            for passage in result.get("passages", ())
        ],
    }


def _confusion(found: Any) -> dict[str, Any] | None:
    """The matrix with each count's share of its row, by which it is shaded."""
    if not isinstance(found, Mapping):
        return None
    rows = [
        (name, [(count, count / (sum(counts) or 1)) for count in counts], sum(counts))
        for name, counts in zip(found["expected"], found["counts"], strict=True)
    ]
    return {"taken": found["taken"], "rows": rows}


def _differences(found: Mapping[str, Any], before: tuple[str, ...] = ()) -> list[tuple[str, str, bool]]:
    """Paired differences, however deep they are sorted: what less what, the figure, and more than noise?"""
    rows: list[tuple[str, str, bool]] = []
    for name, value in found.items():
        if "more_than_noise" in value:
            shown = f"{value['mean']:+.4g} ({value['low']:+.4g} to {value['high']:+.4g}), n = {value['n']}"
            what = f"{name}: {' - '.join(before)}" if before else name
            rows.append((what, shown, bool(value["more_than_noise"])))
        else:
            rows += _differences(value, (*before, name))
    return rows


def _more(extra: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Whatever else an evaluation found, by names with dots."""
    found: list[tuple[str, str]] = []
    for name, value in extra.items():
        if isinstance(value, Mapping) and value:
            found += _more(value, f"{before}{name}.")
        else:
            shown = f"{value:.4g}" if isinstance(value, float) else _plain(value)
            found.append((before + name, shown[:_LONGEST_FIGURE]))
    return found


def _content_policy(script: str) -> str:
    """What the page may load: its own style and, where it has one, exactly this script."""
    allowed = "default-src 'none'; style-src 'unsafe-inline'"
    if not script:
        return allowed
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"{allowed}; script-src 'sha256-{digest}'"


def _text(name: str) -> str:
    return resources.files("agent.evaluation").joinpath(name).read_text(encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    """A JSON object that this evaluation wrote; empty where it has not been written yet."""
    return dict(json.loads(path.read_bytes())) if path.is_file() else {}


def _one_line(text: str, most: int = 160) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]} ..."


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
