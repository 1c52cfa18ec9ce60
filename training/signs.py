"""Signs of trouble in the curves of a PPO run, each a part of a sentence with its figures, or None.

A sign says what is seen, not what it means: that is put together in diagnosis.py. The limits have their
reasons beside them. A curve that is missing, or shorter than a trend needs, shows no sign.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.trends import SURE_OF_A_LOSS, Curve, Trend, trend

# People's preference for summaries of a few dozen tokens peaks near ten nats from the reference and is lost
# well before a hundred (Stiennon et al. 2020, arXiv 2009.01325, figure 5), while the reward goes on rising.
KL_RUNAWAY = 0.4  # nats a token
KL_EXPLODED = 1.0  # nats a token, without any reward for it: the policy writes something else altogether
REPETITION_HIGH, REPETITION_RISE = 0.2, 0.1  # people and sound models repeat 0 to 5% of their 3-grams
LENGTH_RUNAWAY = 1.5  # times the first length and still growing; the right length, once learnt, stays
LENGTH_AT_LIMIT = 1.2  # times the first length, where the answers that end by themselves have halved
LENGTH_SHRUNK = 0.2  # of the first length: learning to stop halves it, saying nothing leaves less than this
EOS_LOST, EOS_DROP = 0.5, 0.2  # share of its first value; the drop that noise of a few rows does not make
EMPTY_TOKENS = 3.0  # an end token and a word
ENTROPY_GONE = 0.2  # of its highest stretch
ENTROPY_LOW = 0.25  # nats a token, where sampled and greedy text nearly agree
SCORES_ALIKE = 0.05  # of the first spread of rewards in a batch: every answer scores the same
FALL_OF_SPREAD = 0.5  # of the spread of rewards in a batch: a medium effect (Cohen's d), seen when reading
LEAST_EXPLAINED = -1.0  # lower says only that the returns of one step hardly differ


@dataclass(frozen=True)
class Sign:
    """A part of a sentence, and its figures."""

    text: str
    figures: Mapping[str, float]


class Curves:
    """The curves of a run by name; None for one that is missing or too short."""

    def __init__(self, lines: Sequence[Mapping[str, Any]]) -> None:
        self._lines = lines
        self._trends: dict[str, Trend | None] = {}

    def __getitem__(self, key: str) -> Trend | None:
        if key not in self._trends:
            curve = numbers(self._lines, key)
            if key == "value_explained_variance":
                curve = np.maximum(curve, LEAST_EXPLAINED)
            self._trends[key] = trend(curve)
        return self._trends[key]


def numbers(lines: Sequence[Mapping[str, Any]], key: str) -> Curve:
    """The finite values of a key, in order; lines without one are passed over.

    >>> numbers([{"kl": 1}, {"kl": None}, {}, {"kl": float("nan")}, {"kl": 2.5}], "kl").tolist()
    [1.0, 2.5]
    """
    found = [line[key] for line in lines if isinstance(line.get(key), int | float)]
    curve = np.array(found, dtype=np.float64)
    return curve[np.isfinite(curve)]


def kl_runs_away(curves: Curves, limit: float) -> Sign | None:
    kl, length = curves["kl"], curves["response_tokens"]
    if not kl or not length or not kl.rises:
        return None
    a_token = kl.last / max(length.last, 1.0)
    if a_token < limit:
        return None
    figures = kl.figures("kl") | {"kl_a_token": a_token}
    return Sign(f"KL ran away {moved(kl)} nats a response, {short(a_token)} a token", figures)


def repeats(curves: Curves) -> Sign | None:
    share = curves["repetition"]
    if not share or not share.rises or share.last < REPETITION_HIGH or share.change < REPETITION_RISE:
        return None
    return Sign(f"the share of repeated 3-grams rose {moved(share)}", share.figures("repetition"))


def grows(curves: Curves) -> Sign | None:
    length, ended = curves["response_tokens"], curves["eos_share"]
    if not length or not length.rises:
        return None
    growing = length.last >= LENGTH_RUNAWAY * length.first and length.still > 0
    endless = ended is not None and (
        ended.last <= EOS_LOST * ended.first and ended.first - ended.last >= EOS_DROP
    )
    if not (growing or (endless and length.last >= LENGTH_AT_LIMIT * length.first)):
        return None
    figures = length.figures("response_tokens") | (ended.figures("eos_share") if ended else {})
    end = f", {ended.last:.0%} of them ending by themselves (first {ended.first:.0%})" if ended else ""
    return Sign(f"responses grew {moved(length)} tokens{end}", figures)


def shrinks(curves: Curves) -> Sign | None:
    length = curves["response_tokens"]
    if not length or not length.falls or length.last > LENGTH_SHRUNK * length.first:
        return None
    return Sign(f"responses shrank {moved(length)} tokens", length.figures("response_tokens"))


def empties(curves: Curves) -> Sign | None:
    length, shrunk = curves["response_tokens"], shrinks(curves)
    return shrunk if length and length.last < EMPTY_TOKENS else None


def entropy_goes(curves: Curves) -> Sign | None:
    """Compared with its highest stretch, since steps that warm the value head up have no entropy."""
    entropy = curves["entropy"]
    if not entropy or entropy.last > ENTROPY_LOW or entropy.last > ENTROPY_GONE * entropy.highest:
        return None
    text = f"entropy is gone, from {short(entropy.highest)} to {short(entropy.last)} nats a token"
    return Sign(text, entropy.figures("entropy") | {"entropy_highest": entropy.highest})


def reward_falls(curves: Curves, reward: Trend) -> Sign | None:
    """A loss against the best stretch that is certain, visible, and more than half of what was gained."""
    spread = curves["reward_std"]
    visible = FALL_OF_SPREAD * max(spread.first, spread.highest) if spread else reward.noise
    loss, gain = reward.highest - reward.last, reward.highest - reward.first
    if reward.lost < SURE_OF_A_LOSS or loss < visible or loss < gain / 2:
        return None
    text = f"reward fell from a best stretch of {short(reward.highest)} to {short(reward.last)}"
    figures = {"reward_highest": reward.highest, "reward_spread": spread.first if spread else reward.noise}
    return Sign(f"{text} (first {short(reward.first)})", figures)


def scores_alike(curves: Curves) -> Sign | None:
    spread = curves["reward_std"]
    if not spread or spread.highest <= 0 or spread.last > SCORES_ALIKE * spread.highest:
        return None
    text = (
        f"all answers score alike, their spread falling from {short(spread.highest)} to {short(spread.last)}"
    )
    return Sign(text, spread.figures("reward_std"))


def moved(curve: Trend) -> str:
    """A curve's change in words, with its standard error.

    >>> moved(trend(np.arange(40.0)))
    'from 4.5 to 34.5 (+30 ± 0)'
    """
    error = curve.change_error if curve.change_error > 1e-9 * abs(curve.change) else 0.0
    return f"from {short(curve.first)} to {short(curve.last)} ({curve.change:+.3g} ± {error:.2g})"


def short(value: float) -> str:
    return f"{value:.3g}"
