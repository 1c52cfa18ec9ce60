"""How people word things: phrasings from text files, held out by line, and the tone they are written in.

A phrasing is one line of a file in phrasings/; a fifth of each file's lines, by a hash of the line, is only
ever used in development rows. In a line {{name}} is a slot, and what stands in [brackets] is what a search
for it must say. A tone is what people do to the same words: no capitals, no full stop, a greeting, a typo.
Left out: paraphrase by a model, which would need one that knows better than the one to be trained.
"""

import hashlib
import random
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Literal

from agent.grounding import WORD

Side = Literal["train", "dev"]

HELD_OUT_IN = 5  # one line, recipe or question in so many is for development
_TALK_FIRST: Mapping[Side, float] = {"train": 0.28, "dev": 0.16}  # how often something is told before
_GREETED = re.compile(r"(hi|hello|hey|hallo|good|thanks|thx|you are great|dear)\b", re.IGNORECASE)


def side_of(key: str, one_in: int = HELD_OUT_IN) -> Side:
    """Whether what this key names is for training or for development; the same on every run.

    >>> side_of("banana bread"), side_of("banana bread", one_in=1)
    ('train', 'dev')
    """
    return "dev" if int.from_bytes(_digest(key)[:4]) % one_in == 0 else "train"


def short_key(text: str) -> str:
    """Twelve hexadecimal digits that stand for a text.

    >>> short_key("Why does bread rise?")
    'd427fedbe5fe'
    """
    return _digest(text).hex()[:12]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


@cache
def phrasings(name: str) -> tuple[str, ...]:
    """All lines of phrasings/NAME.txt."""
    text = resources.files("agent.adapters").joinpath("phrasings", f"{name}.txt").read_text(encoding="utf-8")
    return tuple(line.strip() for line in text.splitlines() if line.strip())


@cache
def worded(name: str, side: Side) -> tuple[str, ...]:
    """The lines of phrasings/NAME.txt for one side; never none of them."""
    return tuple(line for line in phrasings(name) if side_of(line) == side) or phrasings(name)[:1]


@cache
def pairs(name: str, side: Side) -> tuple[tuple[str, str], ...]:
    """The lines of a file of questions and answers, which " | " divides."""
    divided = (line.partition(" | ") for line in worded(name, side))
    return tuple((question, answer) for question, _, answer in divided)


def thought(kind: str, text: str) -> str:
    """A thought for what decides the route; the same text always gets the same one."""
    divided = (line.partition(": ") for line in phrasings("thoughts"))
    fitting = [said for name, _, said in divided if name == kind]
    return fitting[int.from_bytes(_digest(text)[:4]) % len(fitting)]


# ---- what a phrasing says


def said_and_sought(marked: str) -> tuple[str, str]:
    """A marked line as the user's text, and the words of it that a search says.

    >>> said_and_sought("I have [rice] and some [beans], what now?")
    ('I have rice and some beans, what now?', 'rice beans')
    """
    sought = " ".join(re.findall(r"\[([^\]]*)\]", marked))
    return re.sub(r"[\[\]]", "", marked), in_words(sought)


def in_words(text: str) -> str:
    """The words of a text as a search may say them, one space between."""
    return " ".join(WORD.findall(text))


# ---- tone


def toned(text: str, side: Side, rng: random.Random, *, lead: bool = True) -> str:
    """The same request as another person might write it; with `lead` something may stand around it."""
    if rng.random() < 0.12:
        text = _with_typo(text, rng)
    if rng.random() < 0.10:
        text = re.sub(r"(?<=\w)['’](?=\w)", "", text)
    if rng.random() < 0.30:
        text = re.sub(r"(?<![!?.])[?.!]$", "", text)
    if lead:
        text = surrounded(text, side, rng)
    if rng.random() < 0.35:
        text = text.lower()
    elif rng.random() < 0.02:
        text = text.upper()
    return text


def surrounded(text: str, side: Side, rng: random.Random) -> str:
    """The request, sometimes with a greeting, with something about the user, with thanks."""
    if rng.random() < 0.12 and not _GREETED.match(text):
        greeting = rng.choice(worded("greetings", side))
        starts_anew = greeting[-1] in "!:." or re.match(r"I\b|[A-Z]{2}", text)
        text = f"{greeting} {text if starts_anew else text[0].lower() + text[1:]}"
    if rng.random() < _TALK_FIRST[side]:
        known = worded("contexts", side)
        told = rng.sample(known, min(len(known), rng.choice((1, 1, 2, 3))))
        text = " ".join([*told, text])
    if rng.random() < 0.08:
        stop = "" if text[-1] in ".?!" else ","
        text = f"{text}{stop} {rng.choice(worded('closings', side))}"
    return text


def _with_typo(text: str, rng: random.Random) -> str:
    """Two letters of a longer word exchanged, or one left out."""
    longer = list(re.finditer(r"[a-z]{5,}", text))
    if not longer:
        return text
    word = rng.choice(longer)
    place = rng.randrange(word.start() + 1, word.end() - 2)
    swapped = text[place + 1] + text[place] if rng.random() < 0.5 else text[place]
    return text[:place] + swapped + text[place + 2 :]
