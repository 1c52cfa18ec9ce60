"""Numbers about summaries as texts: ROUGE, repetition, what was copied from the article, length.

Shared by the rewards and by the evaluation before and after a run, so that both count alike. ROUGE is
computed by `rouge_score` with Porter stemming (Lin 2004); like the original it sees a-z and 0-9 alone, so it
is for English. The tokens of a text and the stems of words are remembered: stemming in Python is most of the
work, and a reference is met again and again. Left out: metrics that need a model.
"""

import re
from collections.abc import Hashable, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from tools.sentences import sentences

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer  # type: ignore[import-untyped]

ROUGE_KINDS = ("rouge1", "rouge2", "rougeL", "rougeLsum")
REPETITION_N = 3  # words: the n of Paulus et al. 2017 (arXiv 1705.04304), who never let a trigram come twice
COPIED_N = 4  # words: the longest n-grams whose novelty See et al. 2017 (arXiv 1704.04368, figure 6) report

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_TEXTS_REMEMBERED = 4096
_STEMS_REMEMBERED = 1 << 16


def rouge(
    texts: Sequence[str], references: Sequence[str], kinds: Sequence[str] = ("rouge1", "rouge2", "rougeL")
) -> dict[str, list[float]]:
    """ROUGE F scores in [0, 1] of each text against its reference: kind -> one number a text.

    `kinds` are of ROUGE_KINDS; rougeLsum compares sentence by sentence (Lin 2004, section 3.2). An empty text
    or reference scores 0.
    """
    scorer = _rouge_scorer(tuple(kinds))
    if "rougeLsum" in kinds:  # the other kinds do not see line breaks
        texts, references = [_one_a_line(text) for text in texts], [_one_a_line(text) for text in references]
    pairs = zip(references, texts, strict=True)
    scores = [scorer.score(reference, text) for reference, text in pairs]
    return {kind: [float(score[kind].fmeasure) for score in scores] for kind in kinds}


def repetition(text: str, n: int = REPETITION_N) -> float:
    """The share of a text's word n-grams that were there before, in [0, 1].

    >>> repetition("the pan and the pan and the pan")
    0.5
    """
    return repeated_share(words(text), n)


def repeated_share(items: Sequence[Hashable], n: int = REPETITION_N) -> float:
    """The share of n-grams of words or token ids that were there before; 0 where there are none.

    >>> repeated_share([7, 7, 7, 7])
    0.5
    """
    grams = _ngrams(items, n)
    return (len(grams) - len(set(grams))) / len(grams) if grams else 0.0


def copied_share(text: str, article: str, n: int = COPIED_N) -> float:
    """The share of a text's word n-grams that stand in the article as they are, in [0, 1].

    Case and punctuation do not count. A text of fewer than n words is one n-gram as it is; an empty one
    copies nothing.

    >>> copied_share("Fry the ham in butter.", "First, fry the ham in oil.")
    0.5
    """
    said = words(text)
    n = min(n, len(said))
    source = set(_ngrams(words(article), n))
    grams = _ngrams(said, n)
    return sum(gram in source for gram in grams) / len(grams) if grams else 0.0


def length_words(text: str) -> int:
    """How many words a text has, parted by white space.

    >>> length_words("Two eggs - boiled.")
    4
    """
    return len(text.split())


def words(text: str) -> list[str]:
    """A text's words in lower case, punctuation dropped.

    >>> words("Don't stir: WAIT!")
    ["don't", 'stir', 'wait']
    """
    return _WORD.findall(text.lower())


def _ngrams(items: Sequence[Hashable], n: int) -> list[tuple[Hashable, ...]]:
    if n < 1:
        return []
    return list(zip(*(items[start:] for start in range(n)), strict=False))


def _one_a_line(text: str) -> str:
    """The text with a line for each sentence; the lines of reference highlights stay apart."""
    return "\n".join(sentence for line in text.splitlines() for sentence in sentences(line))


class _RememberedTokens:
    """rouge_score's own tokenizer with a memory: the same tokens, several times sooner."""

    def __init__(self) -> None:
        from nltk.stem.porter import PorterStemmer  # type: ignore[import-untyped]

        self.stem = lru_cache(_STEMS_REMEMBERED)(PorterStemmer().stem)
        self.tokenize = lru_cache(_TEXTS_REMEMBERED)(self._tokenize)

    def _tokenize(self, text: str) -> list[str]:
        from rouge_score.tokenize import tokenize  # type: ignore[import-untyped]

        tokens: list[str] = tokenize(text, self)  # which asks for nothing but `stem`
        return tokens


@cache
def _remembered_tokens() -> _RememberedTokens:
    return _RememberedTokens()


@cache
def _rouge_scorer(kinds: tuple[str, ...]) -> "RougeScorer":
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(kinds), tokenizer=_remembered_tokens())
