"""Which of the recipes found answer a request, and which are only the nearest."""

import pytest

from agent.choice import choose, fits
from tools.index import Hit
from tools.recipes import Recipe


def hit(name: str, *ingredients: str, steps: tuple[str, ...] = ("Mix.",)) -> Hit:
    recipe = Recipe(name, name, ingredients, steps)
    return Hit(1, name, name, 0.5, recipe.text(), recipe)


SAUCE = hit(
    "Simple Creamy Pasta Sauce", "flour", "milk", steps=("Whisk to the thickness of uncooked pancake.",)
)
SATAY = hit("Chicken Satay with Peanut Sauce", "1 tbsp massaman curry paste", "chicken", "peanut butter")
MUSSELS = hit("Moules marinière", "1 kg mussels", "leeks", "cream")


@pytest.mark.parametrize(
    ("query", "found", "is_it"),
    [
        ("pancake without eggs", SAUCE, False),  # the text compares its sauce with one
        ("massaman curry", SATAY, False),  # an ingredient is called so
        ("butter chicken", SATAY, False),  # both are in it, but it is not the dish
        ("recipe for massaman curry", SATAY, False),
        ("a bowl of massaman curry", SATAY, False),
        ("butter chicken", hit("Garlic Butter Chicken"), True),
        ("satay", SATAY, True),
        ("chicken satay with peanut butter", SATAY, True),
        ("spaghetti carbonara", hit("Carbonara", "spaghetti", "eggs"), True),
        ("curd rice", hit("Rice", "rice", "water"), False),
        ("mac and cheese", hit("Cheese", "milk", "rennet"), False),
        ("beef and barley soup", hit("Scotch Soup", "beef", "barley"), False),
        ("vegetable stir-fry", hit("Tofu Stir Fry", "vegetables", "tofu"), True),
        ("kung pao chicken", hit("Spicy Kung Pao-Style Chicken"), True),
        ("slow-cooked pork carniats", hit("Slow-cooked Pork Carnitas"), True),  # misspelled
        ("chicken fried steak with gravy", hit("Chicken Curry", "chicken", "steak", "fried gravy"), False),
        ("fluffy pancakes for the kids", hit("Banana Pancakes"), True),
        ("noodles but not Italian", hit("Noodles"), True),
        ("baguette", hit("Onion Soup", "onions", "1 baguette"), False),
    ],
)
def test_a_recipe_is_the_dish_by_its_name(query: str, found: Hit, is_it: bool) -> None:
    assert fits(found, query) == is_it
    assert fits(found, query, f"How do I make {query}?") == is_it


@pytest.mark.parametrize(
    ("query", "question"),
    [
        ("mussels", "What is there to make of fresh mussels?"),
        ("fresh mussels", ""),
        ("something with leeks", ""),
        ("leeks and mussels", "leeks and mussels"),
        ("leeks mussels", "leeks, mussels: dinner?"),
        ("leeks mussels cream", "I have leeks, mussels and some cream. What now?"),
        ("leftover cream", "What can I do with leftover cream?"),
    ],
)
def test_of_what_there_is_to_cook_with_the_text_may_speak(query: str, question: str) -> None:
    assert fits(MUSSELS, query, question)


@pytest.mark.parametrize(
    ("query", "question"),
    [
        ("soup with mussels", "A soup with mussels, please."),
        ("cream leeks", "How do I make cream leeks?"),
        ("craving leeks cream", "I have a craving for leeks cream."),
        ("leek pie", "Can I have leek pie?"),
    ],
)
def test_a_dish_of_what_it_is_made_of_is_still_a_dish(query: str, question: str) -> None:
    assert not fits(MUSSELS, query, question)


def test_the_nearest_is_the_one_that_is_called_most_like_it() -> None:
    stew = hit("Goat Stew", "goat")
    assert choose([SATAY, stew], "stew of beef with curry paste") == [stew]
    assert choose([SATAY, SAUCE], "massaman curry") == [SATAY]
    assert choose([], "stew") == []


def test_those_that_fit_are_offered_by_what_their_names_share() -> None:
    plain, banana, oat = hit("Pancakes"), hit("Banana Pancakes"), hit("Oat Pancakes")
    assert choose([banana, oat, SAUCE], "pancakes") == [banana, oat]
    assert choose([banana, plain], "pancakes") == [plain]
