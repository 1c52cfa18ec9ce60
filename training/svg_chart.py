"""One curve as a small SVG drawing: raw points faint, a moving average over them, axes with round numbers.

The drawing is text to put into a page, whose style sheet gives the colours through classes; it runs no script
and asks for nothing. Left out: several curves in one drawing, which would need one scale for what has many.
"""

from collections.abc import Iterator
from html import escape

import numpy as np

from training.trends import Curve

WIDTH, HEIGHT = 360, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 8, 8, 20
_MOST_POINTS = 400  # more cannot be told apart at this width
_SMOOTHED_OVER = 15  # the moving average spans this part of the curve
_FEW = 50  # a shorter curve is drawn with its outliers
_OUTLIERS = 1.0  # percent at either end that do not stretch the scale


def chart(steps: Curve, values: Curve, label: str) -> str:
    """The SVG of `values` over `steps`, (points,) each and finite, one or more; `label` is read aloud."""
    low, high = _span(values)
    smooth = moving_average(within(values))
    x = _scaled(steps, float(steps[0]), float(steps[-1]), _LEFT, WIDTH - _RIGHT)
    raw_y = _scaled(within(values), low, high, HEIGHT - _BOTTOM, _TOP)
    smooth_y = _scaled(smooth, low, high, HEIGHT - _BOTTOM, _TOP)
    shown = slice(None, None, -(-len(values) // _MOST_POINTS))
    lines = [*_grid(low, high), *_ends(steps)]
    lines.append(_line(x[shown], raw_y[shown], "raw"))
    lines.append(_line(x[shown], smooth_y[shown], "smooth"))
    lines.append(f'<circle class="dot" cx="{x[-1]:.1f}" cy="{smooth_y[-1]:.1f}" r="3"/>')
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">'
    return "".join([head, *lines, "</svg>"])


def moving_average(values: Curve) -> Curve:
    """Each point's mean with its neighbours; fewer of them at the ends.

    >>> moving_average(np.array([0.0, 3.0, 0.0])).tolist()
    [1.5, 1.0, 1.5]
    """
    half = max(1, len(values) // _SMOOTHED_OVER // 2)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    places = np.arange(len(values))
    start, end = np.maximum(places - half, 0), np.minimum(places + half + 1, len(values))
    return np.asarray((sums[end] - sums[start]) / (end - start))


def within(values: Curve) -> Curve:
    """The values with outliers moved to the edge of the drawing, so that a few do not flatten the rest."""
    return np.clip(values, *_span(values))


def _span(values: Curve) -> tuple[float, float]:
    """The ends of the vertical axis."""
    low, high = float(values.min()), float(values.max())
    if len(values) >= _FEW:
        inner = np.percentile(values, [_OUTLIERS, 100 - _OUTLIERS])
        margin = float(inner[1] - inner[0]) / 2  # a point just beyond the others is drawn
        low, high = max(low, float(inner[0]) - margin), min(high, float(inner[1]) + margin)
    if high - low < 1e-9 * max(abs(low), abs(high), 1e-30):
        room = abs(low) / 2 or 1.0
        return low - room, high + room
    return low, high


def _scaled(values: Curve, low: float, high: float, start: float, end: float) -> Curve:
    return np.asarray(start + (values - low) / ((high - low) or 1.0) * (end - start))


def _line(x: Curve, y: Curve, kind: str) -> str:
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<polyline class="{kind}" points="{points}"/>'


def _grid(low: float, high: float) -> Iterator[str]:
    for tick in ticks(low, high):
        y = HEIGHT - _BOTTOM - (tick - low) / (high - low) * (HEIGHT - _BOTTOM - _TOP)
        yield f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{_LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{tick:.7g}</text>'


def _ends(steps: Curve) -> Iterator[str]:
    y = HEIGHT - 5
    yield f'<text x="{_LEFT}" y="{y}">step {steps[0]:g}</text>'
    yield f'<text x="{WIDTH - _RIGHT}" y="{y}" text-anchor="end">{steps[-1]:g}</text>'


def ticks(low: float, high: float) -> list[float]:
    """Two to five round numbers between the two.

    >>> ticks(0.21, 0.34)
    [0.25, 0.3]
    >>> ticks(0.0, 97.0)
    [0.0, 25.0, 50.0, 75.0]
    """
    rough = (high - low) / 3
    power = 10.0 ** np.floor(np.log10(rough))
    step = float(power * next(m for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.75))
    first, last = np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9)
    return [float(f"{n * step + 0.0:.10g}") for n in np.arange(first, last + 1)]
