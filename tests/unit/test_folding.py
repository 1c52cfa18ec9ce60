"""Long texts stand in prompts in short."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.folding import FOLD_OVER_CHARACTERS, FOLD_OVER_WORDS, fold, is_long


def words(count: int) -> str:
    return " ".join(f"w{number}" for number in range(count))


def test_a_text_of_the_limit_stays_as_it_is() -> None:
    text = words(FOLD_OVER_WORDS).replace(" ", "\n", 1)
    assert (is_long(text), fold(text, "message")) == (False, text)


def test_a_longer_text_keeps_its_head_and_tail_and_says_its_length() -> None:
    folded = fold(words(5000), "file")
    note = "[... the whole file has 5,000 words: summarize can read it ...]"
    assert folded == f"{words(50)} {note} {' '.join(words(5000).split()[-30:])}"


@given(st.text(alphabet="ab \n", max_size=2000))
def test_no_folded_text_is_longer_than_the_limit_and_its_note(text: str) -> None:
    assert len(fold(text, "message").split()) <= max(FOLD_OVER_WORDS, 50 + 30 + 13)


@given(st.integers(0, 400))
def test_what_is_long_is_what_is_folded(count: int) -> None:
    assert is_long(words(count)) == (fold(words(count), "message") != words(count))


@pytest.mark.parametrize("text", ["面" * 5000, " ".join(["x" * 80] * 140)])
def test_a_text_of_few_words_and_many_characters_is_folded_by_characters(text: str) -> None:
    note = f"[... the whole message has {len(text):,} characters: summarize can read it ...]"
    assert is_long(text)
    assert fold(text, "message") == f"{text[:400]} {note} {text[-240:]}"


def test_a_text_of_the_most_characters_stays_as_it_is() -> None:
    text = "面" * FOLD_OVER_CHARACTERS
    assert (is_long(text), fold(text, "message")) == (False, text)
