"""Text is split where a reader would split it, into parts that fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.sentences import parts, sentences


def count_words(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Beat. Fry! Serve? Yes", ["Beat.", "Fry!", "Serve?", "Yes"]),
        ("Mrs. Beeton wrote it. It sold.", ["Mrs. Beeton wrote it.", "It sold."]),
        ("Take 2.5 cups of milk. Stir.", ["Take 2.5 cups of milk.", "Stir."]),
        ("Add 1 tsp. Salt and 2 oz. Butter.", ["Add 1 tsp. Salt and 2 oz. Butter."]),
        ("Use spices, e.g. Cumin. Then stir.", ["Use spices, e.g. Cumin.", "Then stir."]),
        ('He said "Stop!" Then he left.', ['He said "Stop!"', "Then he left."]),
        ("J. R. Smith cooks at 5 p.m. Sharp.", ["J. R. Smith cooks at 5 p.m. Sharp."]),
        ("One\n\nTwo", ["One", "Two"]),
        ("Steps:\n- Beat\n- Fry", ["Steps:", "- Beat", "- Fry"]),
        ("wrapped\nline. Next", ["wrapped line.", "Next"]),
        ("Wait... what? Él cocina. Ça va.", ["Wait... what?", "Él cocina.", "Ça va."]),
        ("  ", []),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@given(st.text(alphabet="aB1.!? \n\"'-", max_size=200))
def test_no_word_is_lost_or_added_by_splitting(text: str) -> None:
    assert " ".join(sentences(text)).split() == text.split()


def test_parts_break_at_sentences_and_are_as_few_as_fit() -> None:
    text = "One two. Three four. Five six. Seven."
    assert parts(text, 4, count_words) == ["One two. Three four.", "Five six. Seven."]


def test_a_sentence_that_is_too_long_breaks_between_words() -> None:
    assert parts("one two three four five six", 3, count_words) == ["one two three", "four five six"]


def test_a_word_that_is_too_long_breaks_inside() -> None:
    assert parts("x" * 100, 30, len) == ["x" * 25] * 4


def test_a_letter_that_does_not_fit_is_a_part_all_the_same() -> None:
    assert parts("ab", 1, lambda text: 2 * len(text)) == ["a", "b"]


@given(st.text(alphabet="abC.! \n", max_size=300), st.integers(2, 40))
def test_every_part_fits_and_nothing_is_lost(text: str, limit: int) -> None:
    found = parts(text, limit, len)
    assert all(len(part) <= limit for part in found)
    assert "".join("".join(found).split()) == "".join(text.split())
