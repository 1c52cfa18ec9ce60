"""What a run of SFT or of a reward model has come to, by its held-out rows before and after.

Training loss alone says little: it falls on what is learned by heart too, and from batch to batch it jumps.
Left out: whether the rows teach the right thing, which only reading what the model writes tells.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from training.diagnosis import Finding
from training.signs import Curves, short

LEARNED_BY_HEART = 0.75  # training loss below this share of the held-out one
_CHANCE = 0.5  # of putting a pair in the right order
_SURE = 2.0  # standard errors


def diagnose_supervised(lines: Sequence[Mapping[str, Any]], evaluation: Mapping[str, Any]) -> list[Finding]:
    """What holds of a run with these lines of metrics.jsonl and this evaluation.json; never empty."""
    before, after = (_numbers(evaluation.get(side)) for side in ("before", "after"))
    if not after.get("n"):
        sentence = (
            "There are no figures of held-out rows after the run, so nothing tells what it has learned."
        )
        return [Finding("too short to tell", "info", sentence, {"steps": len(lines)})]
    if "accuracy" in after:
        return [_pairs(before, after)]
    return [finding for finding in (_text(before, after), _by_heart(lines, after)) if finding]


def is_supervised(lines: Sequence[Mapping[str, Any]]) -> bool:
    """Whether lines of metrics.jsonl come from SFT or a reward model; PPO's have no single loss."""
    return bool(lines) and "loss" in lines[-1]


def _text(before: Mapping[str, float], after: Mapping[str, float]) -> Finding:
    """Held-out cross-entropy, nats a token."""
    first, last = before.get("loss", math.nan), after["loss"]
    over = f"from {short(first)} to {short(last)} nats a token on {after['n']:.0f} held-out rows"
    figures = {"loss_before": first, "loss_after": last, "rows": after["n"]}
    if last < first:
        return Finding("has learned", "good", f"Loss fell {over}.", figures)
    return Finding("has not learned", "warning", f"Loss went {over}.", figures)


def _by_heart(lines: Sequence[Mapping[str, Any]], after: Mapping[str, float]) -> Finding | None:
    """Training loss far below the held-out one."""
    loss = Curves(lines)["loss"]
    if loss is None or not loss.falls or loss.last > LEARNED_BY_HEART * after["loss"]:
        return None
    sentence = (
        f"Loss on rows that it was trained on ends at {short(loss.last)} nats a token, "
        f"on held-out rows at {short(after['loss'])}."
    )
    return Finding("overfitting", "warning", sentence, {"training_loss": loss.last, "loss": after["loss"]})


def _pairs(before: Mapping[str, float], after: Mapping[str, float]) -> Finding:
    """Held-out pairs in the right order, against chance."""
    right, pairs = after["accuracy"], after["n"]
    error = math.sqrt(_CHANCE * (1 - _CHANCE) / pairs)
    figures = {"right_before": before.get("accuracy", math.nan), "right": right, "pairs": pairs}
    said = (
        f"{right:.0%} of {pairs:.0f} held-out pairs are in the right order; chance puts {_CHANCE:.0%} there"
    )
    if right > _CHANCE + _SURE * error:
        return Finding("has learned", "good", f"{said}.", figures)
    return Finding("has not learned", "warning", f"{said}, give or take {_SURE * error:.0%}.", figures)


def _numbers(side: object) -> Mapping[str, float]:
    found = side if isinstance(side, dict) else {}
    return {name: float(value) for name, value in found.items() if isinstance(value, int | float)}
