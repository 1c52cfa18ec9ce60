"""evaluation.json as a table for the terminal: before, after, difference, and the baselines beside them.

A view and nothing else: the numbers are training/evaluation.py's.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

_COUNTED = ("words", "tokens")  # with one decimal; all else has three
_COLUMNS = ("before", "after", "difference")


def evaluation_table(evaluation: Mapping[str, Any], temperature: float = 1.0) -> "Table":
    """One row a metric: mean, standard deviation of a reward's rows, and interval."""
    from rich.table import Table
    from rich.text import Text

    part = evaluation[f"temperature_{temperature:g}"]
    columns = {name: part[name] for name in _COLUMNS} | evaluation["baselines"]
    level = evaluation["bootstrap"]["level"]
    caption = f"n = {evaluation['n']} held-out rows; ± is half of the mean's {level:.0%} bootstrap interval"
    table = Table(title=f"Temperature {temperature:g}", caption=caption)
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    for metric in part["after"]:
        cells = [_cell(metric, intervals.get(metric)) for intervals in columns.values()]
        table.add_row(*(Text(text) for text in (metric, *cells)))
        if metric.startswith("reward"):
            spreads = [_spread(intervals.get(metric)) for intervals in columns.values()]
            table.add_row(*(Text(text) for text in ("  its rows' std", *spreads)))
    return table


def _cell(metric: str, interval: Mapping[str, float] | None) -> str:
    if interval is None:  # a baseline has no tokens and no KL
        return ""
    digits = 1 if metric in _COUNTED else 3
    half = (interval["high"] - interval["low"]) / 2
    return f"{interval['mean']:.{digits}f} ±{half:.{digits}f}"


def _spread(interval: Mapping[str, float] | None) -> str:
    return "" if interval is None else f"{interval['std']:.3f}"
