"""Recipes: their text, their round trip, how columns become fields, and the recipes that are shipped."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.data import make_recipes
from tools.errors import RecipeFileError
from tools.recipes import Recipe, clean_text, embedded_recipes, read_recipes

TOAST: dict[str, Any] = {"name": "Toast", "ingredients": ["bread"], "steps": ["Toast it."]}

texts = st.text(max_size=40).map(clean_text).filter(bool)
recipes = st.builds(
    Recipe,
    uid=texts,
    name=texts,
    ingredients=st.lists(texts, min_size=1, max_size=5).map(tuple),
    steps=st.lists(texts, max_size=5).map(tuple),
    description=st.one_of(st.just(""), texts),
    tags=st.lists(texts, max_size=3).map(tuple),
    link=st.just(""),
    source=st.just(""),
    licence=st.one_of(st.just(""), texts),
)


def read_one(folder: Path, fields: dict[str, Any]) -> Recipe:
    path = folder / "recipes.jsonl"
    path.write_text(json.dumps(fields))
    (recipe,) = read_recipes([path])
    return recipe


def test_the_text_is_name_ingredients_and_steps_with_blank_lines_between() -> None:
    recipe = Recipe("1", "Tea", ("tea", "water"), ("Boil.", "Pour."))
    assert recipe.text() == "Tea\n\ntea\nwater\n\nBoil.\nPour."


@given(recipes)
def test_a_recipe_comes_back_from_its_dict_as_it_was(recipe: Recipe) -> None:
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


@given(st.text())
def test_cleaned_text_is_one_line_that_utf8_can_hold_and_cleaning_again_changes_nothing(text: str) -> None:
    cleaned = clean_text(text)
    assert cleaned.encode().decode() == cleaned
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]|\s\s|^\s|\s$", cleaned)
    assert clean_text(cleaned) == cleaned


def test_control_characters_and_direction_overrides_go_while_other_writing_stays() -> None:
    hostile = "Sou\x00p \x1b[31mof\u202e the\u2028 day — חמין ½ 👩‍🍳 \ud800"
    assert clean_text(hostile) == "Soup [31mof the day — חמין ½ 👩‍🍳"


@pytest.mark.parametrize("name", ["name", "title", "Title"])
@pytest.mark.parametrize("steps", ["steps", "directions", "INSTRUCTIONS"])
def test_columns_go_by_their_common_names(tmp_path: Path, name: str, steps: str) -> None:
    recipe = read_one(tmp_path, {"id": 7, name: "Toast", "ingredients": ["bread"], steps: ["Toast it."]})
    assert recipe == Recipe("7", "Toast", ("bread",), ("Toast it.",))


@pytest.mark.parametrize(
    "listed",
    [
        ["2 eggs", "1 cup flour"],
        "2 eggs\n1 cup flour",
        "2 eggs\r\n\r\n1 cup flour\n",
        '["2 eggs", "1 cup flour"]',
    ],
)
def test_a_list_may_be_a_list_or_a_text_with_line_breaks_or_json_in_a_text(
    tmp_path: Path, listed: Any
) -> None:
    assert read_one(tmp_path, TOAST | {"ingredients": listed}).ingredients == ("2 eggs", "1 cup flour")


def test_a_text_that_begins_with_a_bracket_without_being_json_is_kept_whole(tmp_path: Path) -> None:
    assert read_one(tmp_path, TOAST | {"steps": "[optional] Toast it."}).steps == ("[optional] Toast it.",)


def test_link_source_tags_and_licence_are_kept(tmp_path: Path) -> None:
    fields = {
        "url": "https://a.example/toast",
        "source": "a.example",
        "tags": "quick, easy",
        "license": "CC0",
    }
    recipe = read_one(tmp_path, TOAST | fields)
    assert (recipe.link, recipe.source) == ("https://a.example/toast", "a.example")
    assert (recipe.tags, recipe.licence) == (("quick", "easy"), "CC0")


def test_a_source_that_is_an_address_is_the_link(tmp_path: Path) -> None:
    recipe = read_one(tmp_path, TOAST | {"source": "https://a.example/toast"})
    assert (recipe.link, recipe.source) == ("https://a.example/toast", "")


def test_without_a_uid_the_same_recipe_has_the_same_one_and_another_recipe_another(tmp_path: Path) -> None:
    first, again = read_one(tmp_path, TOAST), read_one(tmp_path, TOAST | {"description": "crisp"})
    other = read_one(tmp_path, TOAST | {"steps": ["Burn it."]})
    assert first.uid == again.uid == "toast-41896a0676ab"
    assert other.uid != first.uid


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"name": ""}, "line 1: the recipe has no name"),
        ({"name": "\u0000 "}, "line 1: the recipe has no name"),
        ({"name": ["Toast"]}, "line 1: name is not a text"),
        ({"ingredients": []}, "line 1: the recipe 'Toast' has no ingredients"),
        ({"ingredients": " \n "}, "line 1: the recipe 'Toast' has no ingredients"),
        ({"ingredients": [{"flour": 1}]}, "line 1: ingredients is not a list of texts"),
        ({"steps": {"1": "Toast"}}, "line 1: steps is not a list of texts"),
    ],
)
def test_what_is_no_recipe_is_refused_with_its_line(
    tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(RecipeFileError, match=re.escape(complaint)):
        read_one(tmp_path, TOAST | change)


def test_the_same_uid_for_another_recipe_is_refused_and_for_the_same_recipe_accepted(tmp_path: Path) -> None:
    lines = [TOAST | {"uid": "1"}, TOAST | {"uid": "1"}]
    path = tmp_path / "twice.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    assert len(set(read_recipes([path]))) == 1
    path.write_text("\n".join(map(json.dumps, [*lines, TOAST | {"uid": "1", "name": "Rusk"}])))
    with pytest.raises(RecipeFileError, match="line 3: another recipe in this file has the uid '1' too"):
        list(read_recipes([path]))


def test_reading_is_lazy_so_that_recipes_before_a_bad_line_arrive(tmp_path: Path) -> None:
    path = tmp_path / "half.jsonl"
    path.write_text(json.dumps(TOAST) + "\n{broken")
    reading = read_recipes([path])
    assert next(reading).name == "Toast"
    with pytest.raises(RecipeFileError, match="line 2 is not JSON"):
        next(reading)


# ---- the shipped recipes

# "Bake same as Pop-overs", "Mix as One Egg Cake", "Follow directions for Plain Omelet"
POINTER = re.compile(
    r"(?:\bas|\bas for|\bas with|\bas in|directions for|recipe for) (?:making )?([A-Z]\w+ ?\w*)"
)


def test_no_shipped_recipe_points_at_one_that_is_not_written_in() -> None:
    checked = 0
    for recipe in embedded_recipes():
        if recipe.uid.startswith("bcs-"):
            own = " ".join(step for step in recipe.steps if not step.startswith("("))
            written_in = [step for step in recipe.steps if step.startswith("(")]
            for pointer in POINTER.finditer(own):
                checked += 1
                assert written_in or own.count(pointer[1]) > 1, (recipe.uid, pointer[0])
    assert checked > 100


def test_a_pointer_is_resolved_through_another_pointer() -> None:
    (recipe,) = (recipe for recipe in embedded_recipes() if recipe.name == "Cream Cookies")
    assert [step[:30] for step in recipe.steps] == [
        "Mix and bake same as Vanilla W",
        "(Vanilla Wafers: Cream the but",
        "(Ginger Snaps: Heat molasses t",
    ]


def test_shipped_recipes_are_whole_and_have_their_own_uids() -> None:
    shipped = embedded_recipes()
    assert len(shipped) == 1281
    assert len({recipe.uid for recipe in shipped}) == len(shipped)
    assert all(recipe.ingredients and recipe.steps and recipe.licence for recipe in shipped)
    assert "pdr-banana-bread" in {recipe.uid for recipe in shipped}


@pytest.mark.parametrize(
    ("steps", "completed"),
    [
        ("Cook same as Waffles.", ("Cook same as Waffles.", "(Waffles: Beat. Bake.)")),
        ("Cook same as waffle iron.", ("Cook same as waffle iron.",)),
        ("Cook as Waffle I, adding salt.", ("Cook as Waffle I, adding salt.", "(Waffles: Beat. Bake.)")),
        ("Cook same as Toast.", None),
        (
            "Cook same as Rusks.",
            ("Cook same as Rusks.", "(Rusks: Make same as Waffles.)", "(Waffles: Beat. Bake.)"),
        ),
        ("Cook same as Gems.", ("Cook same as Gems.",)),
    ],
)
def test_a_pointer_is_written_in_or_the_recipe_dropped(steps: str, completed: tuple[str, ...] | None) -> None:
    named = {
        "waffle": Recipe("bcs-w", "Waffles", ("flour",), ("Beat.", "Bake.")),
        "rusk": Recipe("bcs-r", "Rusks", ("flour",), ("Make same as Waffles.",)),
    }
    gems = Recipe("bcs-g", "Gems", ("flour",), (steps,))
    made = make_recipes.completed(gems, named | {"gem": gems})
    assert (made and made.steps) == completed


def test_shipped_recipes_have_no_page_numbers_and_no_picture_captions() -> None:
    old = "\n".join(recipe.text() for recipe in embedded_recipes() if recipe.uid.startswith("bcs-"))
    assert re.findall(r"[Pp]age \d+|\bp\. ?\d+", old) == []
