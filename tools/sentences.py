"""Split text into sentences, and sentences into parts that fit a token limit.

Rules for English prose, not a parser: a sentence ends at . ! or ? before a space and a capital, digit or
quote, unless the word before it is a common abbreviation. A sentence that alone is too long is split between
words, and a word that alone is too long inside.
"""

import re
from collections.abc import Callable, Iterator

_END = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+(?=[\"'“‘(\[]?[A-Z0-9À-Ý])|\n\s*\n|\n(?=\s*[-*•\d])")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|Gen|Sen|Rep|Gov|No|vs|etc|approx|Inc|Ltd|Co|oz|lb|tsp|tbsp|min|[A-Z])"
    r"|\b(?:e\.g|i\.e|U\.S|U\.K|a\.m|p\.m))\.$"
)


def sentences(text: str) -> list[str]:
    """The sentences of a text, in order, white space folded.

    >>> sentences("Dr. Oetker bakes. It rises! Done")
    ['Dr. Oetker bakes.', 'It rises!', 'Done']
    """
    found: list[str] = []
    start = 0
    for end in _END.finditer(text):
        piece = text[start : end.end()].strip()
        if "\n" not in end[0] and _ABBREVIATION.search(piece[-12:]):
            continue
        found.append(piece)
        start = end.end()
    found.append(text[start:])
    return [" ".join(piece.split()) for piece in found if piece.strip()]


def parts(text: str, max_tokens: int, count_tokens: Callable[[str], int]) -> list[str]:
    """The text in as few consecutive parts as sentence boundaries allow, each within `max_tokens`."""
    packed: list[str] = []
    current, used = "", 0
    for sentence in _short_enough(sentences(text), max_tokens, count_tokens):
        size = count_tokens(f" {sentence}")
        if current and used + size > max_tokens:
            packed.append(current)
            current, used = "", 0
        current = f"{current} {sentence}" if current else sentence
        used += size
    return [*packed, current] if current else packed


def _short_enough(pieces: list[str], max_tokens: int, count_tokens: Callable[[str], int]) -> Iterator[str]:
    for piece in pieces:
        if len(piece) < 2 or count_tokens(f" {piece}") <= max_tokens:
            yield piece
            continue
        middle = len(piece) // 2
        space = piece.find(" ", middle)
        cut = space if 0 < space < len(piece) - 1 else middle
        yield from _short_enough([piece[:cut].strip(), piece[cut:].strip()], max_tokens, count_tokens)
