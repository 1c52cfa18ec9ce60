"""Which ingredients a recipe, a passage or an answer names, so that they can be compared by words.

An ingredient line is taken down to its name: amounts, units, preparation, sizes and plurals go, the last word
says what it is ("2 cups all-purpose flour, sifted" is flour). Two names are the same where they end in the
same word and one has all words of the other: "olive oil" is "oil", but not "vegetable oil", and "chicken
broth" is not "chicken". Rules for English, not a parser: of alternatives ("butter or margarine") the first
counts, and what an answer names in prose is found only where it is in the vocabulary.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby

from agent.evaluation.ingredient_words import ALIASES, CUTS, DESCRIPTORS, NOT_INGREDIENTS, PARTS
from tools.filters import fold
from tools.recipes import embedded_recipes

Words = tuple[str, ...]

_MOST_WORDS = 4  # of a name: what is longer is a sentence
_LEAST_RECIPES = 2  # that use a name, for it to be in the vocabulary
_MOST_LISTED_WORDS = 15  # of a line in a list of ingredients
_TOKEN = re.compile(r"[a-z]+(?:['’][a-z]+)?|[,;:.!?()\[\]\n/&+*]")
_ASIDE = re.compile(r"\([^()]*\)")
_LISTED = re.compile(r"\s*(?:[-*•+–]\s*)?(?!\d+[.)]\s)(?:about )?\d")
_PLURALS = (
    ("ies", "y"),
    ("oes", "o"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("sses", "ss"),
    ("xes", "x"),
    ("s", ""),
)
_NO_PLURAL = ("ss", "us", "is", "'s", "’s")
_IRREGULAR = {
    "leaves": "leaf", "loaves": "loaf", "halves": "half", "knives": "knife", "cookies": "cookie",
    "brownies": "brownie", "pies": "pie", "molasses": "molasses", "chilies": "chili", "chiles": "chili",
    "chillies": "chili", "chile": "chili", "hummus": "hummus", "shoes": "shoe", "calories": "calorie",
    "cloves": "clove", "olives": "olive", "chives": "chive", "endives": "endive",
}  # fmt: skip


def ingredient_names(line: str) -> list[str]:
    """The names in a line of a recipe's ingredients; none where it is a heading or an amount alone.

    >>> ingredient_names("2 (15 ounce) cans Italian plum tomatoes, rinsed and drained")
    ['italian plum tomato']
    >>> ingredient_names("salt and freshly ground black pepper to taste")
    ['salt', 'black pepper']
    >>> ingredient_names("For the filling:")
    []
    """
    tokens = _listed_tokens(line)
    parts = (list(part) for is_comma, part in groupby(tokens, lambda token: token == ",") if not is_comma)
    for part in parts:  # the first that is more than preparation, as in "boneless, skinless chicken breasts"
        pieces = [_core(piece) for piece in _pieces(part)]
        if names := [" ".join(words[-_MOST_WORDS:]) for words in pieces if _is_name(words)]:
            return list(dict.fromkeys(names))
    return []


def names_in(lines: Iterable[str]) -> list[str]:
    """The names in ingredient lines, each once, in order.

    >>> names_in(["1 cup milk", "2 eggs", "1 egg white"])
    ['milk', 'egg']
    """
    return list(dict.fromkeys(name for line in lines for name in ingredient_names(line)))


def same_ingredient(one: str, other: str) -> bool:
    """Whether two names mean one thing, as far as their words tell.

    >>> same_ingredient("brown sugar", "sugar"), same_ingredient("sugar snap pea", "sugar")
    (True, False)
    """
    words, others = one.split(), other.split()
    if not words or not others or words[-1] != others[-1]:
        return False
    return set(words) <= set(others) or set(others) <= set(words)


def share_among(names: Sequence[str], others: Sequence[str]) -> float:
    """The share of names that are among others, in [0, 1]; 0 where there are no names.

    Of a recipe's names among an answer's this is recall, the other way round precision: an answer that names
    nothing gets 0 for both.

    >>> share_among(["flour", "egg", "milk", "salt"], ["wheat flour", "sea salt", "rice"])
    0.5
    """
    return sum(any(same_ingredient(name, other) for other in others) for name in names) / max(1, len(names))


class Vocabulary:
    """The names that count as ingredients where a text mentions them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(tuple(name.split()) for name in names)

    @classmethod
    def of_recipes(cls, ingredients: Iterable[Sequence[str]]) -> "Vocabulary":
        """What at least two recipes use; given are the ingredient lines of each."""
        used = Counter(name for lines in ingredients for name in names_in(lines))
        return cls(name for name, count in used.items() if count >= _LEAST_RECIPES)

    @classmethod
    @cache
    def shipped(cls) -> "Vocabulary":
        """What the recipes that come with Souschef use."""
        return cls.of_recipes(recipe.ingredients for recipe in embedded_recipes())

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(" ".join(name) for name in self._names)

    def with_names(self, names: Iterable[str]) -> "Vocabulary":
        """This vocabulary and some more names."""
        return Vocabulary([*self.names(), *names])

    def named_in(self, text: str, dishes: Sequence[str] = ()) -> list[str]:
        """The ingredients that a text names, each once, in order; the longest name counts.

        Names of `dishes` are passed over, so that an answer which says the question again names nothing. In
        a line that begins with an amount, as lists of ingredients do, unknown names are found as well.

        >>> Vocabulary(["flour", "egg", "egg noodle"]).named_in("Boil the egg noodles.\\n- 1 cup jackfruit")
        ['egg noodle', 'jackfruit']
        """
        names = [re.escape(fold(dish)) for dish in dishes if len(dish.split()) > 1]  # "Rice" is both
        dish = re.compile(rf"(?<!\w)(?:{'|'.join(names)})(?!\w)" if names else "(?!)")
        found: dict[str, None] = {}
        for line in dish.sub(";", fold(text)).splitlines():
            listed = _LISTED.match(line) and len(line.split()) <= _MOST_LISTED_WORDS
            tokens = _listed_tokens(line) if listed else _tokens(line)
            said = [name for piece in _pieces(tokens) for name in self._scan(_core(piece))]
            found.update(dict.fromkeys(said or (ingredient_names(line) if listed else [])))
        return list(found)

    def _scan(self, words: Sequence[str]) -> Iterator[str]:
        start = 0
        while start < len(words):
            longest = min(_MOST_WORDS, len(words) - start)
            ends = (start + count for count in range(longest, 0, -1))
            end = next((end for end in ends if tuple(words[start:end]) in self._names), None)
            if end is not None:
                yield " ".join(words[start:end])
            start = end or start + 1


def singular(word: str) -> str:
    """An English word's singular, as far as its ending tells.

    >>> [singular(word) for word in ("tomatoes", "berries", "leaves", "asparagus", "baker's")]
    ['tomato', 'berry', 'leaf', 'asparagus', 'baker']
    """
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith(("'s", "’s")):
        return word[:-2]
    for plural, single in _PLURALS:
        if word.endswith(plural) and len(word) > len(plural) + 1 and not word.endswith(_NO_PLURAL):
            return word.removesuffix(plural) + single
    return word if not word.endswith(("ches", "sses")) else word[:-2]


def _tokens(text: str) -> list[str]:
    """Words in the singular and marks; words that are one thing together are one token."""
    found = [singular(token) for token in _TOKEN.findall(fold(text))]
    return list(_joined(found, ALIASES))


def _joined(words: Sequence[str], aliases: Mapping[Words, str]) -> Iterator[str]:
    """The words with those phrases replaced that stand for one thing, the longest first."""
    start = 0
    while start < len(words):
        for count in (4, 3, 2, 1):
            if alias := aliases.get(tuple(words[start : start + count])):
                yield alias
                start += count
                break
        else:
            yield words[start]
            start += 1


def _listed_tokens(line: str) -> list[str]:
    """The tokens of a line in a list of ingredients, up to where a purpose or an alternative begins."""
    tokens = _tokens(_ASIDE.sub(" ", line))
    return tokens[: next((n for n, token in enumerate(tokens) if token in CUTS), len(tokens))]


def _pieces(tokens: Sequence[str]) -> Iterator[list[str]]:
    """What stands between "and" and the like."""
    for is_join, piece in groupby(tokens, lambda token: token == "and" or not token[0].isalpha()):
        if not is_join:
            yield list(piece)


def _core(words: Sequence[str]) -> list[str]:
    """The words that name something: "juice of 1 lemon" is lemon juice, cloves are a spice where alone."""
    if "of" in words and (place := list(words).index("of")) and words[place - 1] in PARTS:
        words = [*words[: place - 1], *words[place + 1 : place + 3], words[place - 1], *words[place + 3 :]]
    kept = [word for word in words if word not in DESCRIPTORS and word[0].isalpha()]
    return kept or (["clove"] if "clove" in words else [])


def _is_name(words: Sequence[str]) -> bool:
    return bool(words) and words[-1] not in NOT_INGREDIENTS
