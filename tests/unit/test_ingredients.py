"""Which ingredients a line, a passage or an answer names, on worked examples."""

import doctest

import pytest

from agent.evaluation import ingredients
from agent.evaluation.ingredients import (
    Vocabulary,
    ingredient_names,
    names_in,
    same_ingredient,
    share_among,
)


def test_the_examples_in_the_module_hold() -> None:
    assert doctest.testmod(ingredients).failed == 0


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("2 cups all-purpose flour, sifted", ["flour"]),
        ("½ cup extra-virgin olive oil", ["olive oil"]),
        ("1 (14.5 ounce) can stewed tomatoes", ["tomato"]),
        ("3 cloves garlic, minced", ["garlic"]),
        ("1/2 teaspoon ground cloves", ["clove"]),
        ("6 boneless, skinless chicken breasts", ["chicken"]),
        ("boneless, skinless turkey thighs", ["turkey"]),
        ("1 cup butter or margarine", ["butter"]),
        ("oil for frying", ["oil"]),
        ("juice of 1 lemon", ["lemon juice"]),
        ("1 cup half and half", ["half-and-half"]),
        ("250 g crème fraîche", ["creme fraiche"]),
        ("2 green bell peppers & 1 stalk celery", ["bell-pepper", "celery"]),
        ("8 ounces shredded Cheddar cheese", ["cheddar"]),
        ("2 large egg yolks", ["egg"]),
        ("3 cups", []),
        ("For the sauce:", []),
        ("", []),
    ],
)
def test_a_line_comes_down_to_what_it_names(line: str, names: list[str]) -> None:
    assert ingredient_names(line) == names


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("olive oil", "oil", True),
        ("olive oil", "vegetable oil", False),
        ("chicken broth", "chicken", False),
        ("tomato", "tomato", True),
        ("black pepper", "bell-pepper", False),
        ("", "salt", False),
    ],
)
def test_names_are_the_same_by_their_words(one: str, other: str, same: bool) -> None:
    assert (same_ingredient(one, other), same_ingredient(other, one)) == (same, same)


def test_spellings_and_plurals_of_one_thing_meet() -> None:
    recipe = names_in(["2 Tomatoes", "1 bunch spring onions", "1 cup confectioners' sugar", "2 prawns"])
    answer = names_in(["a tomato", "green onions", "powdered sugar", "shrimp"])
    assert recipe == answer == ["tomato", "scallion", "powdered-sugar", "shrimp"]


def test_recall_and_precision_of_a_worked_example() -> None:
    real = names_in(["2 cups flour", "1 cup milk", "3 eggs", "1 pinch salt", "2 tbsp butter, melted"])
    said = names_in(["1 cup whole wheat flour", "2 eggs", "1 tsp sugar", "1 cup coconut milk"])
    assert (share_among(real, said), share_among(said, real)) == (2 / 5, 2 / 4)


def test_prose_names_what_the_vocabulary_knows_and_the_longest_name_counts() -> None:
    known = Vocabulary(["butter", "peanut-butter", "chicken", "chicken broth", "salt"])
    text = "Melt the peanut butter, pour in chicken broth. Add salt and stir with a spoon."
    assert known.named_in(text) == ["peanut-butter", "chicken broth", "salt"]


def test_the_dish_itself_is_no_ingredient_of_an_answer() -> None:
    known = Vocabulary(["banana", "bread", "walnut"])
    text = "To make Banana Bread, mash a banana. Banana bread is good."
    assert known.named_in(text, ["Banana Bread"]) == ["banana"]
    assert known.named_in(text) == ["banana", "bread"]


def test_a_recipe_names_its_own_ingredients_and_no_others() -> None:
    lines = [
        "2 cups flour, plus more for the board",
        "1 cup butter or margarine",
        "salt",
        "1 (9-inch) pie pan",
    ]
    names = names_in(lines)
    assert names == ["flour", "butter", "salt"]
    assert Vocabulary([*names, "margarine", "board"]).named_in("- " + "\n- ".join(lines)) == names


def test_a_numbered_step_is_no_line_of_a_list() -> None:
    known = Vocabulary(["egg"])
    assert known.named_in("1. Whisk it well\n2 eggs\n- 1 tsp sumac\n* 350 g yams") == ["egg", "sumac", "yam"]


def test_a_name_of_a_single_recipe_is_not_in_the_vocabulary() -> None:
    known = Vocabulary.of_recipes([["1 egg", "1 cup love"], ["2 eggs"], ["3 eggs, beaten"]])
    assert known.named_in("Beat the egg with love.") == ["egg"]
