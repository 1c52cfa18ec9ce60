"""The weighted sum of rewards: what PPO maximises, and what one part after the other said.

Calls each reward, and takes nothing for granted of what comes back: a reward may be the user's own, and a NaN
let through would ruin the policy without a word. Weights of 0 are allowed: such a part is watched, not
followed.
"""

import math
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.errors import SouschefError, TrainingError
from training.reward_inputs import plain_texts

if TYPE_CHECKING:
    from training.rewards import Reward


@dataclass(frozen=True)
class Part:
    """One reward of a sum; `options` are passed to it beside the data's columns, and win over them."""

    name: str
    weight: float
    reward: "Reward"
    options: Mapping[str, Any] = field(default_factory=dict)


class CombinedReward:
    """The weighted sum of its parts, and itself a reward, under TRL as here.

    `parts` holds the unweighted numbers of the last call: name -> one number a completion. `weights` has the
    same keys from the start.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.__name__ = "reward"  # TRL's name for it in its logs
        self.weights = {part.name: part.weight for part in parts}
        self.parts: dict[str, list[float]] = {}
        self._parts = tuple(parts)

    def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
        """One number a completion; raises TrainingError naming the part that failed, and how."""
        asked, said = plain_texts(prompts), plain_texts(completions)
        self.parts = {part.name: _scores(part, asked, said, columns) for part in self._parts}
        rows = zip(*self.parts.values(), strict=True)
        weights = tuple(self.weights.values())
        return [sum(weight * score for weight, score in zip(weights, row, strict=True)) for row in rows]


@contextmanager
def running(name: str) -> Iterator[None]:
    """Run code that may be the user's own: what it raises becomes one sentence that says where."""
    try:
        yield
    except SouschefError:
        raise
    except Exception as error:  # a user's code can raise anything
        said = f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
        raise TrainingError(
            f"The reward {name!r} failed with {said} (in {_place(error)}): "
            "correct the reward, then start again."
        ) from error


def _place(error: Exception) -> str:
    """File and line that an exception points at."""
    at = error if isinstance(error, SyntaxError) else traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(at.filename or '').name}, line {at.lineno}"


def _scores(part: Part, prompts: list[str], completions: list[str], columns: dict[str, Any]) -> list[float]:
    with running(part.name):
        returned: Any = part.reward(prompts=prompts, completions=completions, **{**columns, **part.options})
    return _numbers(part.name, returned, len(completions))


def _numbers(name: str, returned: Any, rows: int) -> list[float]:
    """What a reward returned as floats, or TrainingError where it is not a finite number a completion."""
    try:
        values = list(returned)
    except TypeError as error:
        raise TrainingError(
            f"The reward {name!r} returned a {type(returned).__name__}: let it return a list, of one "
            "number for each completion."
        ) from error
    if len(values) != rows:
        raise TrainingError(
            f"The reward {name!r} returned {len(values)} numbers for {rows} completions: "
            "let it return one for each."
        )
    numbers = [_number(value) for value in values]
    bad = [row for row, number in enumerate(numbers) if not math.isfinite(number)]
    if bad:
        raise TrainingError(
            f"The reward {name!r} gave no finite number for {len(bad)} of {rows} completions (the first is "
            f"number {bad[0] + 1}, with {values[bad[0]]!r}): let it return one for every completion, "
            "empty ones too."
        )
    return numbers


def _number(value: Any) -> float:
    """A number, a NumPy scalar or a tensor of one element as a float; NaN for anything else."""
    if value is None or isinstance(value, str):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
