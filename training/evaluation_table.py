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
    caption = f"n = {evaluation['n']} held-out rows; in brackets {level:.0%} bootstrap intervals of the mean"
    table = Table(title=f"Temperature {temperature:g}", caption=caption)
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    for metric in part["after"]:
        cells = [_cell(metric, intervals.get(metric)) for intervals in columns.values()]
        table.add_row(*(Text(text) for text in (metric, *cells)))
    return table


def _cell(metric: str, interval: Mapping[str, float] | None) -> str:
    if interval is None:  # a baseline has no tokens and no KL
        return ""
    digits = 1 if metric in _COUNTED else 3
    mean, low, high = (f"{interval[key]:.{digits}f}" for key in ("mean", "low", "high"))
    spread = f" ± {interval['std']:.{digits}f}" if metric.startswith("reward") else ""
    return f"{mean}{spread} [{low}, {high}]"
