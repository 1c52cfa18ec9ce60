"""Numbers about summaries that need no library, against counts made by hand."""

import pytest

from tools.text_metrics import copied_share, length_words, repeated_share, repetition, words


def test_repetition_is_the_share_of_trigrams_seen_before() -> None:
    assert repetition("Stir it well. Stir it well. STIR it well!") == pytest.approx(4 / 7)
    assert [repetition(text) for text in ("stir it well and wait", "stir stir", "")] == [0.0, 0.0, 0.0]


def test_token_ids_repeat_as_words_do() -> None:
    assert repeated_share([5, 5, 5, 5], n=1) == 0.75
    assert repeated_share([1, 2, 3, 1, 2, 3], n=3) == 0.25
    assert repeated_share([1, 2], n=3) == 0.0


def test_copied_is_the_share_of_four_word_pieces_found_in_the_article() -> None:
    article = "Whisk the eggs with sugar until pale, then fold in the flour."
    assert copied_share("whisk the eggs with sugar - then serve them", article) == pytest.approx(2 / 5)
    assert copied_share("Fold in the flour!", article) == 1.0
    assert copied_share("the pale flour sugar eggs", article) == 0.0


def test_a_text_shorter_than_four_words_is_copied_whole_or_not_at_all() -> None:
    article = "Whisk the eggs with sugar."
    assert [copied_share(text, article) for text in ("the eggs", "eggs the", "")] == [1.0, 0.0, 0.0]
    assert copied_share("the eggs", "") == 0.0


def test_words_keep_accents_and_apostrophes_and_drop_punctuation() -> None:
    assert words("Crème brûlée isn't 2_cups – it’s 3!") == [
        "crème", "brûlée", "isn't", "2", "cups", "it’s", "3",
    ]  # fmt: skip
    assert length_words("Crème brûlée\n isn't hard .") == 5
