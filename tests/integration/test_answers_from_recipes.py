"""A few dishes of tests/benchmarks/answers_from_recipes.py, and how its judge tells good answers from bad."""

from contextlib import closing

import pytest
from recipe_answers import Missing, Present, ask_for_missing, ask_for_present, cited_hit

from agent import build_agent
from agent.engines import load_engine
from agent.evaluation.ingredients import Vocabulary
from agent.events import Timing, Turn
from tools.index import Hit, embedded_index
from tools.recipes import Recipe, embedded_recipes

CAKE = Recipe("1", "Plain Cake", ("2 eggs", "1 cup flour", "3 spoons honey"), ("Mix.", "Grease with butter."))
PIE = Recipe("2", "Apple Pie", ("4 apples", "1 cup flour"), ("Bake.",))
WORDS = Vocabulary(["egg", "flour", "honey", "butter", "apple", "rice", "milk", "salt"])


def turn(answer: str) -> Turn:
    hits = tuple(
        Hit(n, one.uid, one.name, 0.5, one.text(), one) for n, one in enumerate((PIE, CAKE), start=1)
    )
    return Turn("?", answer, (), (), "answer", 1, 1, Timing(1, 1, 0, 0), "m", hits)


@pytest.mark.parametrize(
    ("answer", "from_recipe", "of_recipe", "is_the_dish"),
    [
        ("Plain Cake [2]\n\n- 2 eggs\n- 1 cup flour\n- 3 spoons honey\n\nGrease with butter.", 1, 1, True),
        ("Plain Cake [2]\n\n- 2 eggs\n- 1 cup milk\n- rice", 1 / 3, 1 / 3, True),
        ("Apple Pie [1]\n\n- 4 apples\n- 1 cup flour", 1, 1, False),
        ("Mix 2 eggs, flour and honey.", 0, 0, False),
        ("Plain Cake [7]\n\n- 2 eggs", 0, 0, False),
    ],
)
def test_an_answer_is_held_against_the_recipe_that_it_cites(
    answer: str, from_recipe: float, of_recipe: float, is_the_dish: bool
) -> None:
    judged = Present(turn(answer), CAKE, WORDS)
    assert (judged.from_recipe, judged.of_recipe) == pytest.approx((from_recipe, of_recipe))
    assert judged.is_the_dish == is_the_dish


@pytest.mark.parametrize(
    ("answer", "says_so"),
    [
        ('I have no recipe for "laksa". The nearest that I found is this one.\n\nApple Pie [1]', True),
        ("I could not find that. Would you like a soup?", True),
        ("Apple Pie [1]\n\n- 4 apples\n\nThere is nothing like it, the nearest thing to heaven.", False),
        ("Laksa is made of rice noodles and coconut milk.", False),
    ],
)
def test_a_missing_dish_must_be_said_to_be_missing_before_another_is_shown(
    answer: str, says_so: bool
) -> None:
    assert Missing(turn(answer), "laksa").says_so == says_so


def test_a_citation_leads_to_its_passage() -> None:
    hit = cited_hit(turn("Cake [2] and pie [1]"))
    assert hit is not None
    assert hit.recipe == CAKE


@pytest.mark.timeout(600)
def test_the_default_agent_says_what_its_recipes_say_and_what_it_lacks() -> None:
    recipes = list(embedded_recipes())
    with closing(load_engine()) as engine:
        agent = build_agent(engine, embedded_index())
        present = ask_for_present(agent, recipes, 5, seed=1)
        absent = ask_for_missing(agent, recipes, 3, seed=1)
    assert sum(one.from_recipe for one in present) >= 0.9 * 5
    assert sum(one.of_recipe for one in present) >= 0.8 * 5
    assert sum(one.is_the_dish for one in present) >= 4
    assert [one.turn.question for one in absent if not one.says_so] == []
