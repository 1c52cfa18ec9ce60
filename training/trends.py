"""Does a noisy curve rise or fall, and how surely? Means of its ends, its slope, and their errors.

The noise of one step is taken from the curve itself, after straight lines are taken out of it; neighbouring
steps that resemble each other make the errors larger (the factor of an AR(1) process). Left out: points of
change and periods, since a diagnosis names what a person would see in the curve, not the best model of it.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Curve: TypeAlias = NDArray[np.float64]

MIN_STEPS = 20  # below, two windows of ten steps overlap and every error is a guess
SURE = 3.0  # standard errors; by chance alone about one simulated curve in 200 passes
SURE_OF_A_LOSS = 5.0  # standard errors; more, since the best of many stretches is looked at
_SMALLEST_WINDOW = 10
_WINDOWS = 5  # the first and the last fifth: long enough to average noise out, short enough to see a change
_MOST_ALIKE = 0.9  # above, the factor for steps that resemble each other has no bound


@dataclass(frozen=True)
class Trend:
    """A curve in figures: means of its first and last `window` steps, its slope a step, standard errors."""

    n: int
    window: int
    first: float
    last: float
    change_error: float
    slope: float
    slope_error: float
    noise: float  # standard deviation of one step
    highest: float  # the highest mean of `window` steps in a row
    still: float  # the slope of the second half in its standard errors

    @property
    def change(self) -> float:
        return self.last - self.first

    @property
    def certainty(self) -> float:
        """The change in standard errors; the slope's, where it says the same with more certainty."""
        by_ends = _ratio(self.change, self.change_error, self._scale)
        by_slope = _ratio(self.slope, self.slope_error, self._scale / self.n)
        return max(by_ends, by_slope, key=abs) if by_ends * by_slope > 0 else by_ends

    @property
    def rises(self) -> bool:
        return self.certainty > SURE

    @property
    def falls(self) -> bool:
        return self.certainty < -SURE

    @property
    def lost(self) -> float:
        """How far the end lies below the best stretch, in standard errors."""
        return _ratio(self.highest - self.last, self.change_error, self._scale)

    @property
    def _scale(self) -> float:
        return max(abs(self.first), abs(self.last))

    def figures(self, name: str) -> dict[str, float]:
        """The figures a sentence rests on, under names that begin with the curve's."""
        return {
            f"{name}_first": self.first,
            f"{name}_last": self.last,
            f"{name}_change_error": self.change_error,
            f"{name}_slope": self.slope,
            f"{name}_slope_error": self.slope_error,
            "n": self.n,
            "window": self.window,
        }


def trend(curve: Curve) -> Trend | None:
    """The trend of a curve, (steps,), finite; None where it is shorter than MIN_STEPS.

    >>> found = trend(np.arange(40.0))
    >>> found.first, found.last, round(found.slope, 6), found.rises
    (4.5, 34.5, 1.0, True)
    """
    n = len(curve)
    if n < MIN_STEPS:
        return None
    window = max(_SMALLEST_WINDOW, n // _WINDOWS)
    slope, slope_error, _ = _line(curve)
    half_slope, half_error, _ = _line(curve[n // 2 :])
    blocks = [curve[start : start + window] for start in range(n % window, n, window)]
    noise, inflation = _noise([_line(block)[2] for block in blocks])
    moving = np.convolve(curve, np.full(window, 1 / window), "valid")
    first, last = float(curve[:window].mean()), float(curve[-window:].mean())
    return Trend(
        n=n,
        window=window,
        first=first,
        last=last,
        change_error=noise * inflation * float(np.sqrt(2 / window)),
        slope=slope,
        slope_error=slope_error,
        noise=noise,
        highest=max(float(moving.max()), last),
        still=_ratio(half_slope, half_error, max(abs(first), abs(last)) / n),
    )


def _line(curve: Curve) -> tuple[float, float, Curve]:
    """The least-squares slope a step, its standard error, and what the line leaves over."""
    steps = np.arange(len(curve)) - (len(curve) - 1) / 2
    spread = float(steps @ steps)
    slope = float(steps @ curve) / spread
    left = curve - curve.mean() - slope * steps
    noise, inflation = _noise([left])
    return slope, noise * inflation / spread**0.5, left


def _noise(leftovers: list[Curve]) -> tuple[float, float]:
    """The standard deviation of a step, and how much likeness of neighbours widens the error of a mean.

    Taking out a line makes neighbours look less alike than they are by about (2 + 4 alike) / steps, which is
    added back (the known bias of an AR(1) coefficient that is estimated beside a line).
    """
    squares = sum(float(left @ left) for left in leftovers)
    noise = (squares / sum(len(left) - 2 for left in leftovers)) ** 0.5
    products = sum(float(left[1:] @ left[:-1]) for left in leftovers)
    alike = products / squares if squares > 0 else 0.0
    steps = len(leftovers[0])
    alike = min(max((alike + 2 / steps) / (1 - 4 / steps), 0.0), _MOST_ALIKE)
    return noise, ((1 + alike) / (1 - alike)) ** 0.5


def _ratio(change: float, error: float, scale: float) -> float:
    """Change in errors; what is below a billionth of the curve's own size counts as rounding."""
    return change / max(error, 1e-9 * scale, 1e-300)
