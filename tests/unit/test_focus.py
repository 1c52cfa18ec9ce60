"""What of a recipe a question asks for, against questions as people ask them."""

import pytest

from agent.focus import focus
from tools.recipes import Recipe

EGGS, FLOUR, SUGAR = "2 large eggs", "1 ½ cups flour", "1 cup brown sugar"
HEAT, BAKE, COOL = "Heat the oven to 350 degrees.", "Bake for 1 hour at medium heat.", "Cool until firm."
CAKE = Recipe("1", "Cake", (EGGS, FLOUR, SUGAR), (f"{HEAT} Mix.", f"{BAKE} {COOL}"))


def part(question: str) -> list[str] | None:
    found = focus(question, CAKE)
    return None if found is None else [*found.ingredients, *found.steps]


@pytest.mark.parametrize(
    ("question", "lines"),
    [
        ("How long does it bake?", [BAKE]),
        ("and how long do I bake the cake", [BAKE]),
        ("how much time does that take", [BAKE]),
        ("What's the total time?", [BAKE]),
        ("How hot should the oven be?", [HEAT, BAKE]),
        ("At what temperature is it baked?", [HEAT, BAKE]),
        ("How long and at what temperature?", [HEAT, BAKE]),
        ("What ingredients do I need?", [EGGS, FLOUR, SUGAR]),
        ("what were the ingredients again", [EGGS, FLOUR, SUGAR]),
        ("What goes into cake?", [EGGS, FLOUR, SUGAR]),
        ("what's in it", [EGGS, FLOUR, SUGAR]),
        ("What do I have to buy for it?", [EGGS, FLOUR, SUGAR]),
        ("How long does cake take and what goes in?", [EGGS, FLOUR, SUGAR, BAKE]),
        ("How many eggs do I need for cake?", [EGGS]),
        ("How much brown sugar goes in?", [SUGAR]),
        ("How much is the flour?", None),
        ("How much butter?", None),
        ("How many people does it serve?", None),
    ],
)
def test_a_question_for_a_part_gets_that_part(question: str, lines: list[str] | None) -> None:
    assert part(question) == lines


@pytest.mark.parametrize(
    "question",
    [
        "How do I make cake?",
        "how to bake a cake and how long does it take",
        "Show me the ingredients and steps of cake.",
        "A recipe for cake, and how many eggs?",
        "cake",
        "I have eggs and sugar, what now?",
        "and without eggs?",
        "How long does cake keep in the fridge?",
        "Teach me what goes into cake",
        "",
    ],
)
def test_every_other_question_gets_the_whole_recipe(question: str) -> None:
    assert part(question) is None


def test_without_minutes_the_time_is_what_is_waited_for() -> None:
    found = focus("How long does it bake?", Recipe("1", "Bread", ("flour",), ("Bake until brown. Eat.",)))
    assert found is not None
    assert found.steps == ("Bake until brown.",)


def test_a_recipe_without_such_words_is_shown_whole() -> None:
    assert focus("How hot?", Recipe("1", "Salad", ("lettuce",), ("Mix.",))) is None
