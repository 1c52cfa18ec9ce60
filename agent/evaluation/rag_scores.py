"""What an answer is worth beside the real recipe, and what of it stands in the passages that were found.

The same rules for both answers to a dish. Ingredients are counted by agent/evaluation/ingredients.py; the
dish's own name counts for nothing, else saying the question again would earn something. Silence is never
better than being wrong: an answer that names no ingredients has precision 0 and grounding 0. Left out:
whether amounts and times are right, which words do not tell.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.evaluation.ingredients import Vocabulary, names_in, share_among
from tools.index import Hit
from tools.recipes import Recipe
from tools.text_metrics import length_words, rouge, words

# Each in [0, 1], except that a cosine is in [-1, 1], words are counted and seconds are a turn's.
MEASURES = (
    "ingredient_recall",
    "ingredient_precision",
    "rouge1",
    "rougeL",
    "cosine",
    "grounding",
    "words",
    "seconds",
)
_STEPS_HEADING = re.compile(
    r"^[\W_\d]*(?:steps|directions|instructions|method|preparation|procedure|how to make it)[\W_]*$",
    re.IGNORECASE | re.MULTILINE,
)
_IN_ANY_TEXT = """
    about add all and are but can each for from has have into its make more not off one out over recipe
    some than that the them then there these they this two until use using when which will with you your
"""
_UNMARKED = frozenset(_IN_ANY_TEXT.split())
_LEAST_LETTERS_MARKED = 3

Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]  # texts to vectors of length 1


@dataclass(frozen=True)
class Measured:
    """An answer's numbers by name, without its seconds, and the ingredients that it names."""

    numbers: dict[str, float | None]
    ingredients: list[str]


class Yardstick:
    """The real recipe of one dish and the passages that were found, ready to hold answers against."""

    def __init__(self, recipe: Recipe, passages: Sequence[Hit], vocabulary: Vocabulary, embed: Embed) -> None:
        self.real = names_in(recipe.ingredients)
        self._recipe, self._embed = recipe, embed
        listed = names_in(line for hit in passages for line in (hit.recipe.ingredients if hit.recipe else ()))
        self._vocabulary = vocabulary.with_names([*self.real, *listed])
        self._dishes = [recipe.name, *(hit.name for hit in passages)]
        mentioned = (name for hit in passages for name in self._vocabulary.named_in(hit.text))
        self.found = list(dict.fromkeys([*listed, *mentioned]))

    def measure(self, answer: str) -> Measured:
        """All of MEASURES but the seconds; None where the real recipe has nothing to compare with."""
        named = self._vocabulary.named_in(answer, self._dishes)
        steps = "\n".join(self._recipe.steps)
        scores = rouge([steps_of(answer)], [steps], ("rouge1", "rougeL"))
        numbers: dict[str, float | None] = {
            "ingredient_recall": share_among(self.real, named) if self.real else None,
            "ingredient_precision": share_among(named, self.real) if self.real else None,
            "rouge1": scores["rouge1"][0] if steps else None,
            "rougeL": scores["rougeL"][0] if steps else None,
            "cosine": self._cosine(answer),
            "grounding": share_among(named, self.found),
            "words": float(length_words(answer)),
        }
        return Measured(numbers, named)

    def marks(self, answer: str) -> list[str]:
        """The words of an answer that the real recipe has too, each once, without those of any text."""
        real = set(words(self._recipe.text())) - _UNMARKED
        said = dict.fromkeys(words(answer))
        return [word for word in said if word in real and len(word) >= _LEAST_LETTERS_MARKED]

    def _cosine(self, answer: str) -> float:
        """Of the embeddings of answer and recipe; an empty answer means nothing, so 0."""
        if not answer.strip():
            return 0.0
        first, second = self._embed([answer, self._recipe.text()])
        return float(sum(x * y for x, y in zip(first, second, strict=True)))


def steps_of(answer: str) -> str:
    """What follows the heading of the steps in an answer, or all of it where there is no such heading.

    >>> steps_of("Ingredients:\\n- 1 egg\\n\\nSteps:\\n1. Fry it.").strip()
    '1. Fry it.'
    >>> steps_of("Fry an egg.")
    'Fry an egg.'
    """
    heading = _STEPS_HEADING.search(answer)
    return answer[heading.end() :] if heading else answer
