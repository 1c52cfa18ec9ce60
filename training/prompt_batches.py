"""Which prompts a PPO step gets: every row once before any comes again, in an order that the seed decides.

A step's prompts follow from the seed and the step's number alone, so that a run that goes on after a kill
sees what it would have seen.
"""

from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from prompts import prompt as prompt_text
from tools.errors import TrainingError
from training.config import nearest

if TYPE_CHECKING:
    from training.data import Prompt, PromptMaker, Row


class PromptBatches:
    """Batches of prompts by step; raises TrainingError where no row makes a prompt.

    A row is tokenised when its turn comes; the place of one that makes no prompt goes to the next in order.
    """

    def __init__(self, rows: "Sequence[Row]", maker: "PromptMaker", seed: int) -> None:
        self._rows, self._maker, self._seed = rows, maker, seed
        self._order = lru_cache(maxsize=2)(self._shuffled)
        self._prompt(0)  # says now where no row makes one

    def batch(self, step: int, size: int) -> "list[Prompt]":
        """The prompts of a step, which counts from 0."""
        return [self._prompt(place) for place in range(step * size, (step + 1) * size)]

    def _prompt(self, place: int) -> "Prompt":
        """The prompt at a place in the endless stream of shuffled rows."""
        for later in range(len(self._rows)):
            turn, place_in_turn = divmod(place + later, len(self._rows))
            row = self._rows[self._order(turn)[place_in_turn]]
            if (prompt := self._maker.make(row, self._seed + place)) is not None:
                return prompt
        raise TrainingError("Every article is too long for max_prompt_tokens: raise it, or cut them.")

    def _shuffled(self, turn: int) -> list[int]:
        order: list[int] = np.random.default_rng([self._seed, turn]).permutation(len(self._rows)).tolist()
        return order


def template(name: str) -> str:
    """The text of prompts/NAME.txt; TrainingError naming the nearest where there is none."""
    found = (file.name for file in resources.files("prompts").iterdir())
    names = sorted(name.removesuffix(".txt") for name in found if name.endswith(".txt"))
    if name not in names:
        raise TrainingError(f"There is no prompt {name!r}: did you mean {nearest(name, names)!r}?")
    return prompt_text(name)
