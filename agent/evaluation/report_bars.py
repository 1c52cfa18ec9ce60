"""Metrics as groups of bars with intervals, for the report.

A bar is a small SVG without text, beside which the page writes the figures, so that both stay readable on a
phone. Metrics of several modes or policies are grouped by metric, for that is what a reader compares.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_WIDTH, _HEIGHT = 200.0, 12.0


@dataclass(frozen=True)
class Bar:
    """One number: what it is of, the figures in words, and the drawing (empty where nothing was measured)."""

    label: str
    figures: str
    svg: str
    is_baseline: bool = False


@dataclass(frozen=True)
class Group:
    """Bars on one scale."""

    title: str
    bars: tuple[Bar, ...]


_Row = tuple[str, float | None, Mapping[str, Any], bool]  # label, mean, interval, whether it is a baseline


def groups(
    metrics: Mapping[str, Any], intervals: Mapping[str, Any], baselines: Mapping[str, Any]
) -> list[Group]:
    """All metrics as groups: shares in [0, 1] together, other numbers alone, nested ones by metric."""
    nested = {name: value for name, value in metrics.items() if isinstance(value, Mapping)}
    plain = {name: value for name, value in metrics.items() if name not in nested}
    shares = [name for name, value in plain.items() if value is None or _is_share(value, intervals.get(name))]
    found: list[Group] = []
    if shares:
        rows: list[_Row] = []
        for name in shares:
            rows += [_row(name, plain[name], intervals.get(name)), *_baselines(baselines.get(name))]
        found.append(_group("Shares of the cases", rows))
    if nested and not plain:
        found += _by_metric(nested, intervals)
    else:
        found += [
            _group(name, [_row(key, value, _inside(intervals, name, key)) for key, value in group.items()])
            for name, group in nested.items()
        ]
    numbers = [name for name in plain if name not in shares]
    alone = [
        _group("", [_row(name, plain[name], intervals.get(name)), *_baselines(baselines.get(name))])
        for name in numbers
    ]
    if alone:
        found.append(Group("Numbers, each on its own scale", tuple(b for group in alone for b in group.bars)))
    return found


def bar(mean: float, low: float, high: float, start: float, end: float) -> str:
    """The SVG of a mean and its interval on a scale from `start` to `end`, with a line at 0."""

    def x(value: float) -> float:
        return _WIDTH * (value - start) / ((end - start) or 1.0)

    left, right = sorted((x(0.0), x(mean)))
    middle = _HEIGHT / 2
    return (
        f'<svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="room" x="0" y="1" width="{_WIDTH:g}" height="{_HEIGHT - 2:g}"/>'
        f'<rect class="bar" x="{left:.2f}" y="1" width="{right - left:.2f}" height="{_HEIGHT - 2:g}"/>'
        f'<path class="interval" d="M{x(low):.2f} {middle:g}H{x(high):.2f}'
        f'M{x(low):.2f} 3V{_HEIGHT - 3:g}M{x(high):.2f} 3V{_HEIGHT - 3:g}"/>'
        f'<path class="zero" d="M{x(0.0):.2f} 0V{_HEIGHT:g}"/></svg>'
    )


def number(value: float) -> str:
    """A number with three digits after the point where it is small, fewer where it is large.

    >>> [number(value) for value in (0.25, 12.5, 1234.5)]
    ['0.250', '12.5', '1,234']
    """
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 1000 else f"{value:,.0f}"


def _by_metric(nested: Mapping[str, Mapping[str, Any]], intervals: Mapping[str, Any]) -> list[Group]:
    names = dict.fromkeys(name for group in nested.values() for name in group)
    return [
        _group(
            name,
            [
                _row(key, group[name], _inside(intervals, key, name))
                for key, group in nested.items()
                if name in group
            ],
        )
        for name in names
    ]


def _inside(intervals: Mapping[str, Any], outer: str, inner: str) -> Any:
    group = intervals.get(outer)
    return group.get(inner) if isinstance(group, Mapping) else None


def _row(label: str, mean: float | None, interval: Any) -> _Row:
    return label, mean, interval if isinstance(interval, Mapping) else {}, False


def _baselines(known: Any) -> Iterator[_Row]:
    if isinstance(known, Mapping):
        for label, value in known.items():
            yield label, float(value), {}, True


def _group(title: str, rows: Sequence[_Row]) -> Group:
    ends = [end for _, mean, interval, _ in rows if mean is not None for end in _ends(mean, interval)]
    start, end = min([0.0, *ends]), max([0.0, *ends])
    if start == 0.0 and end <= 1.0:
        end = 1.0  # a share, whose whole is 1
    return Group(title.replace("_", " "), tuple(_bar(row, start, end) for row in rows))


def _bar(row: _Row, start: float, end: float) -> Bar:
    label, mean, interval, is_baseline = row
    label = label.replace("_", " ")
    if mean is None:
        return Bar(label, "measured on no case", "", is_baseline)
    low, high = _ends(mean, interval)
    span = f" ({number(low)} to {number(high)}, n = {interval['n']})" if "n" in interval else ""
    return Bar(label, number(mean) + span, bar(mean, low, high, start, end), is_baseline)


def _ends(mean: float, interval: Mapping[str, Any]) -> tuple[float, float]:
    low, high = interval.get("low"), interval.get("high")
    return (mean if low is None else float(low)), (mean if high is None else float(high))


def _is_share(value: float, interval: Any) -> bool:
    return all(0.0 <= end <= 1.0 for end in _ends(value, interval if isinstance(interval, Mapping) else {}))
