"""How queries for known recipes are made."""

import json

import pytest

from agent.evaluation.known_items import (
    KNOWN_ITEMS,
    by_ingredients,
    by_name,
    ingredient,
    known_items,
    qrels_text,
    queries_text,
)
from tools.errors import SouschefError
from tools.recipes import Recipe


def recipe(uid: str, name: str, *ingredients: str) -> Recipe:
    return Recipe(uid, name, ingredients, ())


PANTRY = [
    recipe(f"p{n}", f"Pantry {n}x", "1 cup rye", "2 leeks", "figs", "dates", "100 g rice") for n in range(4)
]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("2 cups (250g) sifted rye flour", "rye flour"),
        ("1/2 onion, chopped", "onion"),
        ("a jar of apple sauce", "apple sauce"),
        ("Whites 3 eggs", "eggs"),
        ("~150g (1/3 lb) bacon cubes", "bacon"),
        ("salt and pepper", "salt"),
        ("300 g", ""),
    ],
)
def test_an_ingredient_s_name_is_found_in_its_line(line: str, name: str) -> None:
    assert ingredient(line) == name


def test_recipes_are_asked_for_by_names_that_no_other_bears() -> None:
    recipes = [
        recipe("1", "Lemon Pie I", "x"),
        recipe("2", "Lemon Pies II", "x"),
        recipe("3", "Rösti (hash)", "x"),
    ]
    assert list(by_name(recipes)) == [("3", "Rösti")]


def test_recipes_are_asked_for_by_ingredients_that_no_other_has() -> None:
    own = recipe("own", "Own", "2 figs", "1 kg leeks, sliced", "100 g quince", "rice")
    found = dict(by_ingredients([*PANTRY, own, recipe("less", "Less", "figs", "leeks")]))
    assert found == {}  # quince is named once, and what is left is in the pantry's as well
    others = [recipe(f"q{n}", f"Quince {n}x", "100 g quince") for n in range(4)]
    assert dict(by_ingredients([*PANTRY, own, *others])) == {"own": "figs, leeks and quince"}


def test_queries_are_written_in_the_form_that_is_read() -> None:
    made = known_items([recipe("1", "Toast", "bread")], [("1", "crisp slices")])
    assert [json.loads(line) for line in queries_text(made).splitlines()] == [
        {"_id": "name-1", "text": "Toast", "metadata": {"kind": "name"}},
        {"_id": "paraphrase-1", "text": "crisp slices", "metadata": {"kind": "paraphrase"}},
    ]
    assert qrels_text(made).splitlines()[1:] == ["name-1\t1\t1", "paraphrase-1\t1\t1"]


def test_a_paraphrase_of_no_recipe_is_refused() -> None:
    with pytest.raises(SouschefError, match="names 'gone', which is no recipe"):
        known_items([recipe("1", "Toast", "bread")], [("gone", "lost")])


def test_the_shipped_queries_are_enough_of_each_kind() -> None:
    lines = (KNOWN_ITEMS / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    kinds = [json.loads(line)["metadata"]["kind"] for line in lines]
    assert {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)} == {
        "name": 150, "ingredients": 150, "paraphrase": 110,
    }  # fmt: skip
