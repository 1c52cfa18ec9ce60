"""What of a recipe a question asks for: "how long does it bake?" gets the time, and not the whole recipe.

Read from the question's words, by rules for English: times, heat, ingredients, and the amount of one of them.
Everything else wants the whole recipe, and so does a question that the recipe has no such words for.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tools.filters import any_form, fold
from tools.recipes import Recipe
from tools.search import dish_words
from tools.sentences import sentences

_WHOLE = re.compile(
    r"\bhow (?:do|does|to|can|could|would|should|is|are)\b[^.?!]*"
    r"\b(?:make|made|cook|cooked|prepare|prepared|bake|baked|go|goes|done)\b"
    r"|\b(?:recipes?|instructions?|directions?|steps?|show|teach|explain)\b"
)
_ASKS_FOR_TIME = re.compile(
    r"\bhow (?:long|much time|many (?:minutes|hours))\b(?![^.?!]*\b(?:keeps?|lasts?|stored?|good)\b)"
    r"|\b(?:baking|cooking|preparation|prep|roasting|boiling|frying|total) time\b"
)
_SAYS_TIME = re.compile(r"\b(?:seconds?|minutes?|mins?|hours?|hrs?|overnight)\b")
_SAYS_WHEN = re.compile(r"\buntil\b")
_ASKS_FOR_HEAT = re.compile(
    r"\bhow hot\b|\b(?:what|which|how (?:high|many))\b[^.?!]*\b(?:temperature|temp|degrees|heat)\b"
)
_SAYS_HEAT = re.compile(
    r"\d ?°|\bdegrees?\b|\b\d{3} ?[fc]\b|\bgas mark\b"
    r"|\b(?:low|medium|high|moderate|slow|hot|quick)\b[\w -]{0,20}\b(?:heat|oven|fire)\b"
)
_ASKS_FOR_INGREDIENTS = re.compile(
    r"\bingredients?\b|\bshopping list\b|\bwhat(?: all|'s| is)?(?: goes| comes)? in(?:to)?\b"
    r"|\bwhat(?: all)? (?:do i|must i|should i) (?:need|buy|have to buy|get)\b"
)
_ASKS_FOR_AMOUNT = re.compile(r"\bhow (?:much|many) (?P<what>(?!time\b|minutes\b|hours\b)[a-z]+(?: [a-z]+)?)")


@dataclass(frozen=True)
class Focus:
    """The lines of a recipe that answer a question."""

    ingredients: tuple[str, ...]
    steps: tuple[str, ...]


def focus(question: str, recipe: Recipe) -> Focus | None:
    """The part of the recipe that the question asks for; None where that is all of it.

    >>> cake = Recipe("1", "Cake", ("2 eggs", "1 cup flour"), ("Mix. Bake for 40 minutes at 350 °F.",))
    >>> focus("How long does it bake?", cake)
    Focus(ingredients=(), steps=('Bake for 40 minutes at 350 °F.',))
    >>> focus("How many eggs do I need?", cake)
    Focus(ingredients=('2 eggs',), steps=())
    >>> focus("How do I bake it, and how long?", cake) is None
    True
    """
    asked = fold(question)
    if _WHOLE.search(asked):
        return None
    part = Focus(tuple(_ingredients(asked, recipe)), tuple(_steps(asked, recipe)))
    return part if part.ingredients or part.steps else None


def _ingredients(asked: str, recipe: Recipe) -> Iterator[str]:
    if _ASKS_FOR_INGREDIENTS.search(asked):
        yield from recipe.ingredients
    elif amount := _ASKS_FOR_AMOUNT.search(asked):
        said = amount["what"]
        for word in filter(dish_words(said).__contains__, said.split()):
            named = re.compile(rf"\b{any_form(word)}\b")
            if lines := [line for line in recipe.ingredients if named.search(fold(line))]:
                yield from lines
                return


def _steps(asked: str, recipe: Recipe) -> Iterator[str]:
    said = [sentence for step in recipe.steps for sentence in sentences(step)]
    timed = [one for one in said if _SAYS_TIME.search(fold(one))] or [
        one for one in said if _SAYS_WHEN.search(fold(one))
    ]
    heated = [one for one in said if _SAYS_HEAT.search(fold(one))]
    wanted = {*(timed if _ASKS_FOR_TIME.search(asked) else ())}
    wanted |= {*(heated if _ASKS_FOR_HEAT.search(asked) else ())}
    return (one for one in said if one in wanted)
