"""What the curves of a PPO run mean: learning, stalled, reward hacking, collapse, a value head without use.

Reads the lines of metrics.jsonl and nothing else; several findings can hold at once, the worst first. Each
says in one sentence what was seen and carries the figures that led to it; a missing curve is passed over.
Left out: whether the reward asks for the right thing, which only reading samples tells.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from training import signs
from training.signs import Curves, Sign, moved, numbers, short
from training.trends import MIN_STEPS, SURE_OF_A_LOSS, Trend

Kind = Literal[
    "learning", "stalled", "reward hacking", "collapse", "value function not learning", "too short to tell",
    "has learned", "has not learned", "overfitting",
]  # fmt: skip
Severity = Literal["good", "info", "warning", "bad"]

VALUES_EXPLAIN_NOTHING = 0.05  # explained variance; 0 is what a constant reaches

ADVICE: Mapping[Kind, str] = {
    "learning": "Compare before and after on the held-out rows before believing it.",
    "stalled": "Try more steps, larger batches, a higher learning_rate, or a lower kl_coef if KL is near 0.",
    "reward hacking": "Read the samples; raise kl_coef or set kl_target, add a penalty, or stop earlier.",
    "collapse": "Lower learning_rate, raise kl_coef, set target_kl, and warm the value head up first.",
    "value function not learning": "Raise value_learning_rate or vf_coef, or set value_warmup_steps.",
    "too short to tell": f"Curves are judged from {MIN_STEPS} steps on.",
    "has learned": "Read what it writes before believing it.",
    "has not learned": "Try more rows or steps, or another learning_rate.",
    "overfitting": "Take fewer epochs, more rows, or a lower lora_rank.",
}


@dataclass(frozen=True)
class Finding:
    """One thing that holds of a run, in a sentence, with the figures it rests on."""

    kind: Kind
    severity: Severity
    sentence: str
    figures: Mapping[str, float]

    @property
    def advice(self) -> str:
        return ADVICE[self.kind]


def diagnose(lines: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """What holds of a run whose metrics.jsonl has these lines, the worst first; never empty."""
    curves = Curves(lines)
    reward = curves["reward"]
    if reward is None:
        n = len(numbers(lines, "reward"))
        sentence = f"{n} {'step is' if n == 1 else 'steps are'} too few to judge the curves."
        return [Finding("too short to tell", "info", sentence, {"n": n})]
    bad = [finding for finding in (_collapse(curves, reward), _hacking(curves, reward)) if finding]
    progress = [] if bad else [_progress(curves, reward)]
    values = _values(curves)
    return bad + progress + ([values] if values else [])


def _progress(curves: Curves, reward: Trend) -> Finding:
    """Learning or stalled: whether the reward rose for certain."""
    kl = curves["kl"]
    beside = f", while KL went from {short(kl.first)} to {short(kl.last)} nats a response" if kl else ""
    figures = reward.figures("reward") | (kl.figures("kl") if kl else {})
    over = f"{moved(reward)} over {reward.n} steps"
    if reward.rises:
        return Finding("learning", "good", f"Reward rose {over}{beside}.", figures)
    verb = "fell a little" if reward.falls else "did not rise"
    fell_back = short(reward.highest) if reward.lost > SURE_OF_A_LOSS else ""
    best = f" after a best stretch of {fell_back}" if fell_back else ""
    return Finding("stalled", "warning", f"Reward {verb} {over}{best}{beside}.", figures)


def _hacking(curves: Curves, reward: Trend) -> Finding | None:
    """Reward up while something it does not measure runs away (Amodei et al. 2016, arXiv 1606.06565)."""
    if not reward.rises:
        return None
    found = [
        signs.kl_runs_away(curves, signs.KL_RUNAWAY),
        signs.repeats(curves),
        signs.grows(curves),
        signs.shrinks(curves),
    ]
    seen = [sign for sign in found if sign]
    if not seen:
        return None
    sentence = f"Reward rose {moved(reward)} over {reward.n} steps, but {_joined(seen)}."
    return Finding("reward hacking", "bad", sentence, reward.figures("reward") | _figures(seen))


def _collapse(curves: Curves, reward: Trend) -> Finding | None:
    """Entropy gone, reward lost; or no reward gained, and answers empty, alike, looping or no language."""
    found = [signs.entropy_goes(curves), signs.reward_falls(curves, reward)]
    if not reward.rises:
        found += [
            signs.empties(curves),
            signs.scores_alike(curves),
            signs.repeats(curves),
            signs.kl_runs_away(curves, signs.KL_EXPLODED),
        ]
    seen = [sign for sign in found if sign]
    if not seen:
        return None
    figures = reward.figures("reward") | _figures(seen)
    return Finding("collapse", "bad", f"Over {reward.n} steps {_joined(seen)}.", figures)


def _values(curves: Curves) -> Finding | None:
    """Whether the value head explains anything of the returns; by its loss where only that was written."""
    explained, loss = curves["value_explained_variance"], curves["value_loss"]
    beside = f"value loss went {moved(loss)}" if loss else "no value loss was written"
    figures = loss.figures("value_loss") if loss else {}
    if explained:
        if explained.last > VALUES_EXPLAIN_NOTHING:
            return None
        ends = f"explained variance ends at {short(explained.last)} (first {short(explained.first)})"
        beside, figures = f"{ends}, {beside}", explained.figures("explained_variance") | figures
    elif loss is None or loss.falls:
        return None
    n = figures["n"]
    sentence = f"The value head does not learn: over {n} steps {beside}."
    return Finding("value function not learning", "warning", sentence, figures)


def _joined(seen: Sequence[Sign]) -> str:
    return "; ".join(sign.text for sign in seen)


def _figures(seen: Sequence[Sign]) -> dict[str, float]:
    return {name: value for sign in seen for name, value in sign.figures.items()}
