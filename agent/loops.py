"""Notice when a model has begun to repeat itself, so that an answer ends where it stops saying anything.

Small models fall into loops. A penalty on repeated tokens would also punish copying a recipe, which is what
they should do; so the text is left alone until its end repeats word for word, digits aside.
"""

import math
import re

_LONGEST_UNIT = 200
_LEAST_REPEATED = 40  # characters of repetition that make a loop
_LONG_SENTENCE = 60  # characters; recipes say one of these twice at the most
_DIGITS = re.compile(r"\d+")


def is_looping(text: str) -> bool:
    """Whether the end of a text is one piece over and over, three times if it is long, more often if short.

    A long sentence that was said twice before, anywhere, counts as well.

    >>> is_looping("Mix it. " + "And then mix it again. " * 3)
    True
    >>> is_looping("1 cup sugar\\n1 cup flour\\n1 cup milk\\n2 cups cream")
    False
    """
    if _says_again(text):
        return True
    tail = _DIGITS.sub("0", text[-3 * _LONGEST_UNIT :])
    return any(_repeats(tail, length) for length in range(2, min(_LONGEST_UNIT, len(tail) // 2) + 1))


def _says_again(text: str) -> bool:
    said = re.split(r"(?<=[.!?])\s+|\n+", text)
    last = said[-2] if len(said) > 1 else ""  # the newest that is whole
    return len(last) >= _LONG_SENTENCE and said.count(last) >= 3


def _repeats(tail: str, length: int) -> bool:
    times = max(3, 1 + math.ceil(_LEAST_REPEATED / length))
    unit = tail[-length:]
    return tail.endswith(unit * times) and any(character.isalnum() for character in unit)
