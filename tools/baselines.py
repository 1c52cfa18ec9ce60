"""Summaries that need no model: the first three sentences of an article, or three at random.

News is written with what matters first, so lead-3 is hard to beat there (See et al. 2017, arXiv 1704.04368,
table 1); random-3 says what length alone is worth. Any other baseline is a function with one more line below.
"""

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType

from tools.seeds import text_seed
from tools.sentences import sentences

SENTENCES = 3


def lead(article: str, seed: int = 0) -> str:  # noqa: ARG001 (a baseline takes a seed whether it draws or not)
    """The first three sentences, or all where there are fewer.

    >>> lead("Beat eggs. Add milk. Fry. Serve.")
    'Beat eggs. Add milk. Fry.'
    """
    return " ".join(sentences(article)[:SENTENCES])


def random_sentences(article: str, seed: int = 0) -> str:
    """Three sentences at random, in the article's order; the seed and the article decide which."""
    found = sentences(article)
    drawn = random.Random(text_seed(seed, article)).sample(range(len(found)), min(SENTENCES, len(found)))
    return " ".join(found[place] for place in sorted(drawn))


BASELINES: Mapping[str, Callable[[str, int], str]] = MappingProxyType(
    {"lead-3": lead, "random-3": random_sentences}
)
