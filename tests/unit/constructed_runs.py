"""Curves as PPO runs make them, with the noise of small batches, to try diagnoses and reports on.

Every curve is a shape over the run plus noise, of which neighbouring steps share a part, as batches under a
slowly moving policy do.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Curve = NDArray[np.float64]
ALIKE = 0.3  # correlation of neighbouring steps
NOISE = {
    "reward": 0.03, "reward_std": 0.015, "kl": 0.8, "entropy": 0.12, "response_tokens": 6.0, "eos_share": 0.1,
    "repetition": 0.015, "value_loss": 0.008, "value_explained_variance": 0.15, "clip_fraction": 0.02,
}  # fmt: skip


def run(seed: int, n: int = 250, **shapes: Curve | float) -> list[dict[str, Any]]:
    """The metrics lines of a run that neither learns nor fails, except where `shapes` says otherwise."""
    flat: dict[str, Curve | float] = {
        "reward": 0.25, "reward_std": 0.08, "kl": 2.0, "entropy": 2.4, "response_tokens": 60.0,
        "eos_share": 0.8, "repetition": 0.03, "value_loss": ramp(n, 0.08, 0.02),
        "value_explained_variance": ramp(n, 0.0, 0.5), "clip_fraction": 0.06,
    }  # fmt: skip
    random = np.random.default_rng(seed)
    curves: dict[str, Curve] = {}
    for key, shape in (flat | shapes).items():
        curves[key] = shape + NOISE[key] * _noise(random, n)
    for key in ("reward_std", "entropy", "repetition", "eos_share", "value_loss", "clip_fraction"):
        curves[key] = np.maximum(curves[key], 0.0)
    curves["response_tokens"] = np.maximum(curves["response_tokens"], 1.0)
    return [{"step": n + 1, **{key: float(curve[n]) for key, curve in curves.items()}} for n in range(n)]


def healthy(seed: int, n: int = 250) -> list[dict[str, Any]]:
    """Reward rises and levels off; KL, entropy and length move as far as they should."""
    return run(
        seed, n, reward=levelling(n, 0.24, 0.30), kl=levelling(n, 0.0, 9.0), entropy=ramp(n, 2.4, 1.7),
        response_tokens=levelling(n, 95.0, 55.0), eos_share=levelling(n, 0.4, 0.9),
    )  # fmt: skip


def ramp(n: int, start: float, end: float) -> Curve:
    return np.linspace(start, end, n)


def levelling(n: int, start: float, end: float) -> Curve:
    """Most of the way in the first third, as learning curves go."""
    return end + (start - end) * np.exp(-np.arange(n) / (n / 5))


def sudden(n: int, start: float, end: float, at: float = 0.6) -> Curve:
    """A drop or a jump at a part of the run."""
    return np.where(np.arange(n) < at * n, start, end).astype(np.float64)


def interval(mean: float, half: float, std: float = 0.1) -> Mapping[str, float]:
    return {"mean": mean, "std": std, "low": mean - half, "high": mean + half, "n": 64}


def _noise(random: np.random.Generator, n: int) -> Curve:
    """Noise of variance 1, an AR(1) process."""
    fresh = random.standard_normal(n) * (1 - ALIKE**2) ** 0.5
    fresh[0] /= (1 - ALIKE**2) ** 0.5
    for step in range(1, n):
        fresh[step] += ALIKE * fresh[step - 1]
    return np.asarray(fresh)
