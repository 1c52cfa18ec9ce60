"""Which curves a report draws, in which order, and what each means.

The parts of the reward come right after it, under the names that the config gives them. A curve of which no
step has a number is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.svg_chart import chart, within
from training.trends import trend

_CURVES = {
    "loss": "of the batch: nats a token, or of the order of pairs",
    "token_accuracy": "share of the batch's tokens guessed right",
    "accuracy": "share of the batch's pairs in the right order",
    "margin": "by how much the chosen answer scores higher",
    "reward": "mean of the batch, the parts weighted and added up",
    "kl": "nats a response: how far the policy has moved from its reference",
    "kl_coef": "what a nat of KL costs",
    "entropy": "nats a token: how open the choice of the next token is",
    "response_tokens": "mean length of a response",
    "eos_share": "share of responses that end by themselves",
    "repetition": "share of 3-grams that repeat an earlier one",
    "policy_loss": "the clipped objective, negated; its level means little",
    "value_loss": "squared error of the value head",
    "value_explained_variance": "of the returns, by the value head; 1 is perfect, 0 a constant",
    "clip_fraction": "share of tokens whose ratio was clipped",
    "approx_kl": "how far one step's update moved the policy",
    "grad_norm": "before clipping",
    "learning_rate": "",
}
_TITLES = {
    "kl": "KL",
    "kl_coef": "KL coefficient",
    "eos_share": "EOS share",
    "response_tokens": "response length",
    "value_explained_variance": "explained variance",
    "approx_kl": "KL of an update",
    "grad_norm": "gradient norm",
}


@dataclass(frozen=True)
class DrawnCurve:
    """A curve ready for the page; `svg` is markup made here, all else is text."""

    title: str
    meaning: str
    ends: str
    svg: str


def curves(lines: Sequence[Mapping[str, Any]]) -> list[DrawnCurve]:
    """The curves of these lines of metrics.jsonl."""
    parts = sorted({key for line in lines for key in line if key.startswith("reward/")})
    drawn = []
    for key, meaning in _CURVES.items():
        drawn.append(_drawn(lines, key, _TITLES.get(key, key.replace("_", " ")), meaning))
        if key == "reward" and len(parts) > 1:  # one part alone is the reward, or a multiple of it
            drawn += [_drawn(lines, part, part, "a part of the reward, before its weight") for part in parts]
    return [curve for curve in drawn if curve]


def _drawn(lines: Sequence[Mapping[str, Any]], key: str, title: str, meaning: str) -> DrawnCurve | None:
    points = [(line.get("step", place), line.get(key)) for place, line in enumerate(lines, start=1)]
    numbers = np.array([[x, y] for x, y in points if isinstance(y, int | float)], dtype=np.float64)
    if numbers.size:
        numbers = numbers[np.isfinite(numbers).all(axis=1)]
    if not numbers.size:
        return None
    steps, values = numbers.T
    if key == "kl_coef" and np.ptp(values) == 0:
        return None  # fixed: the config says it
    return DrawnCurve(
        title, _note(meaning, int((within(values) != values).sum())), *_ends_and_svg(steps, values, title)
    )


def _ends_and_svg(steps: Any, values: Any, title: str) -> tuple[str, str]:
    """The means that the curve begins and ends with, and its drawing."""
    found = trend(within(values))
    first, last = (found.first, found.last) if found else (values[0], values[-1])
    ends = f"{first:.3g} → {last:.3g}" if len(values) > 1 else f"{last:.3g}"
    return ends, chart(steps, values, f"{title}: {ends}, {len(values)} steps")


def _note(meaning: str, beyond: int) -> str:
    said = f"{beyond} outlying {'point' if beyond == 1 else 'points'} at the edge" if beyond else ""
    return "; ".join(part for part in (meaning, said) if part)
