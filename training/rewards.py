"""Rewards: plain functions that say how good completions are, and the sum that a config names.

A reward is called as `reward(prompts, completions, **columns)` and returns one number a completion; columns
are the data's, article and summary (the reference) among them. TRL's GRPOTrainer and RLOOTrainer take the
same function. To add one, write it here and name it in READY_MADE, or write it anywhere and name it as
`module:function`. Options in a config are the function's keyword parameters. Rewards that ask a model are in
training/reward_models.py.
"""

# ruff: noqa: ARG001 (a reward takes prompts and columns whether it looks at them or not)

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tools.errors import TrainingError
from tools.text_metrics import REPETITION_N, length_words, repetition, rouge
from training.combined_reward import CombinedReward, Part, running
from training.config import RewardSpec
from training.reward_inputs import plain_texts, references
from training.reward_lookup import checked_options, find, option_parameters
from training.reward_models import Classifier, RewardModel

__all__ = ["READY_MADE", "CombinedReward", "Part", "Reward", "build_rewards"]

Reward = Callable[..., list[float]]
"""reward(prompts, completions, **columns) -> one number a completion."""


def rouge1(
    prompts: Sequence[Any], completions: Sequence[Any], *, reference_column: str = "", **columns: Any
) -> list[float]:
    """ROUGE-1 F against the reference, in [0, 1]."""
    return _rouge("rouge1", completions, references(columns, reference_column))


def rouge2(
    prompts: Sequence[Any], completions: Sequence[Any], *, reference_column: str = "", **columns: Any
) -> list[float]:
    """ROUGE-2 F against the reference, in [0, 1]."""
    return _rouge("rouge2", completions, references(columns, reference_column))


def rougeL(
    prompts: Sequence[Any], completions: Sequence[Any], *, reference_column: str = "", **columns: Any
) -> list[float]:
    """ROUGE-L F against the reference, the texts as a whole, in [0, 1]."""
    return _rouge("rougeL", completions, references(columns, reference_column))


def rougeLsum(
    prompts: Sequence[Any], completions: Sequence[Any], *, reference_column: str = "", **columns: Any
) -> list[float]:
    """ROUGE-L F against the reference, sentence by sentence, in [0, 1]."""
    return _rouge("rougeLsum", completions, references(columns, reference_column))


def length_penalty(
    prompts: Sequence[Any],
    completions: Sequence[Any],
    *,
    target_words: int,
    tolerance_words: int = 0,
    shorter_is_fine: bool = False,
    **columns: Any,
) -> list[float]:
    """0 within the tolerance around the target, and 1 less for each length of the target beyond it.

    >>> length_penalty([], ["one two", "one two three", ""], target_words=2)
    [0.0, -0.5, -1.0]
    """
    if target_words < 1 or tolerance_words < 0:
        raise TrainingError("The length penalty needs target_words above 0 and tolerance_words of 0 or more.")
    over = [length_words(text) - target_words for text in plain_texts(completions)]
    missed = [max(words, 0) if shorter_is_fine else abs(words) for words in over]
    return [-max(words - tolerance_words, 0) / target_words for words in missed]


def repetition_penalty(
    prompts: Sequence[Any], completions: Sequence[Any], *, n: int = REPETITION_N, **columns: Any
) -> list[float]:
    """Minus the share of a completion's word n-grams that were there before, in [-1, 0].

    >>> repetition_penalty([], ["on and on and on and", ""])
    [-0.5, -0.0]
    """
    if n < 1:
        raise TrainingError(f"The repetition penalty's n is {n}: it must be at least 1.")
    return [-repetition(text, n) for text in plain_texts(completions)]


READY_MADE: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "rouge1": rouge1,
        "rouge2": rouge2,
        "rougeL": rougeL,
        "rougeLsum": rougeLsum,
        "length_penalty": length_penalty,
        "repetition_penalty": repetition_penalty,
        "classifier": Classifier,
        "reward_model": RewardModel,
    }
)


def build_rewards(specs: Sequence[RewardSpec], *, device: str = "cpu") -> CombinedReward:
    """The weighted sum of the rewards that a config names.

    Models are loaded now, onto `device` unless their own option says another. Raises TrainingError naming the
    nearest right name for a wrong reward or option.
    """
    parts: list[Part] = []
    for spec in specs:
        if not math.isfinite(spec.weight):
            raise TrainingError(
                f"The weight of the reward {spec.name!r} is {spec.weight}: give a finite one."
            )
        reward, options = _built(spec, device)
        parts.append(Part(_free_name(spec.name, parts), spec.weight, reward, options))
    return CombinedReward(parts)


def _built(spec: RewardSpec, device: str) -> tuple[Reward, dict[str, Any]]:
    """What is called, and the options it is called with: a class is made with its options first."""
    found = find(spec.name, READY_MADE)
    options = checked_options(spec.name, found, spec.options)
    if not isinstance(found, type):
        return found, options
    if "device" in option_parameters(found):
        options.setdefault("device", device)
    with running(spec.name):
        return found(**options), {}


def _free_name(name: str, parts: Sequence[Part]) -> str:
    """The name, numbered where the same reward stands in the config before, as two classifiers may."""
    taken = sum(part.name == name or part.name.startswith(f"{name}_") for part in parts)
    return f"{name}_{taken + 1}" if taken else name


def _rouge(kind: str, completions: Sequence[Any], against: Sequence[str]) -> list[float]:
    return rouge(plain_texts(completions), against, (kind,))[kind]
