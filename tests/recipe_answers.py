"""Ask an agent for dishes that its index holds and for dishes that it does not, and judge what it says.

An answer to a dish that is there is held against the recipe that it cites as [1], [2] and so on; without a
citation nothing of it counts. An answer to a dish that is not there has to say so before it names any recipe.
Used by tests/benchmarks/answers_from_recipes.py and by a short test. Left out: steps, whose words no rule can
tell from a paraphrase.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from agent.evaluation.ingredients import Vocabulary, names_in, share_among, singular
from agent.events import Turn
from agent.session import Session
from tools.filters import fold
from tools.index import Hit
from tools.recipes import Recipe

REQUESTS = (
    "How do I make {dish}?",
    "I'd like to cook {dish}.",
    "{dish}",
    "A recipe for {dish}, please.",
    "Can you tell me how to prepare {dish}?",
    "What do I need for {dish}?",
    "I want to make {dish} tonight",
    "Show me how {dish} is made.",
)
# Real dishes from many kitchens; which of them an index lacks is looked up before they are asked for.
PERHAPS_MISSING = """
    arepas, baba ganoush, bagels, baklava, beef bourguignon, beef rendang, beef wellington, bibimbap, bobotie,
    borscht, bouillabaisse, bulgogi, cassoulet, ceviche, chicken satay, chicken tikka masala, chiles rellenos,
    coq au vin, croissants, croque monsieur, currywurst, dolmades, doro wat, eggs benedict, falafel, feijoada,
    fish tacos, gado gado, haggis, injera, jollof rice, kung pao chicken, laksa, massaman curry, miso soup,
    moussaka, nasi goreng, okonomiyaki, osso buco, pad thai, paella, palak paneer, panna cotta, pavlova,
    peking duck, pierogi, poutine, pupusas, ramen, ratatouille, sachertorte, saltimbocca, spanakopita,
    takoyaki, tarte tatin, tiramisu, vichyssoise
"""
TIME_LIMIT_S = 3600.0  # what is judged is the answer, however busy the machine
_LEAST_INGREDIENTS = 3  # that words can tell of a recipe, or a share of them says little
_CITED = re.compile(r"\[(\d+)\]")
_SAYS_SO = re.compile(
    r"\b(?:no (?:such )?recipe|nothing|nearest|closest"
    r"|(?:could|can|did|do|does)(?:n['’]t| ?not) (?:find|have))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Present:
    """An answer to a dish that the index holds; shares are of names of ingredients."""

    turn: Turn
    dish: Recipe
    vocabulary: Vocabulary

    @cached_property
    def cited(self) -> Recipe | None:
        """The recipe that the answer cites first."""
        hit = cited_hit(self.turn)
        return hit.recipe if hit else None

    @cached_property
    def named(self) -> list[str]:
        """The ingredients that the answer names."""
        return self._words.named_in(self.turn.answer, self._dishes)

    @property
    def from_recipe(self) -> float:
        """The share of the answer's ingredients that the cited recipe speaks of."""
        if self.cited is None:
            return 0.0
        mentioned = self._words.named_in(self.cited.text(), self._dishes)
        return share_among(self.named, [*names_in(self.cited.ingredients), *mentioned])

    @property
    def of_recipe(self) -> float:
        """The share of the cited recipe's ingredients that the answer names."""
        return share_among(names_in(self.cited.ingredients), self.named) if self.cited else 0.0

    @property
    def is_the_dish(self) -> bool:
        """Whether the cited recipe is called what was asked for; several may be."""
        return self.cited is not None and name_words(self.cited.name) == name_words(self.dish.name)

    @property
    def _words(self) -> Vocabulary:
        return self.vocabulary.with_names(names_in(self.cited.ingredients)) if self.cited else self.vocabulary

    @property
    def _dishes(self) -> list[str]:
        return [self.dish.name, *([self.cited.name] if self.cited else [])]


@dataclass(frozen=True)
class Missing:
    """An answer to a dish that the index does not hold."""

    turn: Turn
    dish: str

    @property
    def says_so(self) -> bool:
        """Whether it says that there is no such recipe, and that before it cites another."""
        return _SAYS_SO.search(_CITED.split(self.turn.answer, maxsplit=1)[0]) is not None


def ask_for_present(agent: Any, recipes: Sequence[Recipe], n: int, seed: int) -> "list[Present]":
    """Ask for n of the recipes, each in a conversation of its own."""
    random_ = random.Random(seed)
    told = [recipe for recipe in recipes if len(names_in(recipe.ingredients)) >= _LEAST_INGREDIENTS]
    vocabulary = Vocabulary.of_recipes(recipe.ingredients for recipe in recipes)
    drawn = random_.sample(told, min(n, len(told)))
    return [Present(ask(agent, recipe.name, random_), recipe, vocabulary) for recipe in drawn]


def ask_for_missing(agent: Any, recipes: Sequence[Recipe], n: int, seed: int) -> "list[Missing]":
    """Ask for n dishes that none of the recipes is called."""
    random_ = random.Random(seed)
    there = [name_words(recipe.name) for recipe in recipes]
    listed = " ".join(PERHAPS_MISSING.split()).split(", ")
    absent = [dish for dish in listed if not any(name_words(dish) <= name for name in there)]
    return [Missing(ask(agent, dish, random_), dish) for dish in random_.sample(absent, min(n, len(absent)))]


def ask(agent: Any, dish: str, random_: random.Random) -> Turn:
    """One turn, asked in one of the ways that people ask."""
    return Session(agent, time_limit_s=TIME_LIMIT_S).ask(random_.choice(REQUESTS).format(dish=dish))


def cited_hit(turn: Turn) -> Hit | None:
    """The passage behind an answer's first citation, where there is one of that number."""
    found = _CITED.search(turn.answer)
    number = int(found[1]) if found else 0
    return turn.hits[number - 1] if 0 < number <= len(turn.hits) else None


def name_words(name: str) -> set[str]:
    """The words of a dish's name, without case, accents and plural.

    >>> sorted(name_words("Apple Pies (Easy)"))
    ['apple', 'easy', 'pie']
    """
    return {singular(word) for word in re.findall(r"\w+", fold(name))}
