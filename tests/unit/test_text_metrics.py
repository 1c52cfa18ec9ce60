"""Numbers about summaries, against counts made by hand and against rouge_score as it comes."""

import json
import os
from pathlib import Path

import pytest

from tools.text_metrics import (
    ROUGE_KINDS,
    copied_share,
    length_words,
    repeated_share,
    repetition,
    rouge,
    words,
)

SUMMARIES = Path(__file__).parents[3] / "shared/data/summaries/cnn_validation.jsonl"


def test_rouge_counts_shared_words_and_pairs() -> None:
    scores = rouge(["the cat sat"], ["the cat ran off"])  # 2 of 3 words, of 4; 1 of 2 pairs, of 3
    assert scores == {
        "rouge1": [pytest.approx(2 * 2 / (3 + 4))],
        "rouge2": [pytest.approx(2 * 1 / (2 + 3))],
        "rougeL": [pytest.approx(2 * 2 / (3 + 4))],
    }


def test_rouge_does_not_mind_endings_and_case() -> None:
    assert rouge(["Frying onions"], ["he fries an onion"], ["rouge1"])["rouge1"] == [pytest.approx(2 / 3)]


def test_order_counts_for_rougel_within_a_sentence_and_not_between_them() -> None:
    scores = rouge(["Rest it. Fry ham now."], ["Fry ham now. Rest it."], ["rouge1", "rougeL", "rougeLsum"])
    assert scores == {"rouge1": [1.0], "rougeL": [pytest.approx(0.6)], "rougeLsum": [1.0]}


@pytest.mark.parametrize(("text", "reference"), [("", "a summary"), ("a summary", ""), ("", ""), ("!?", ".")])
def test_nothing_scores_nothing(text: str, reference: str) -> None:
    assert rouge([text], [reference], ROUGE_KINDS) == {kind: [0.0] for kind in ROUGE_KINDS}


def test_each_text_is_compared_with_its_own_reference() -> None:
    assert rouge(["ham", "egg", "ham"], ["ham", "ham", "egg"], ["rouge1"]) == {"rouge1": [1.0, 0.0, 0.0]}


def test_remembering_tokens_changes_no_number() -> None:
    if not SUMMARIES.exists() and "CI" not in os.environ:
        pytest.skip("the CNN summaries lie beside the project, in ../shared/data, and are not here")
    rows = [json.loads(line) for line in SUMMARIES.read_text(encoding="utf-8").splitlines()[:20]]
    texts, references = [row["article"][:600] for row in rows], [row["summary"] for row in rows]
    from rouge_score.rouge_scorer import RougeScorer  # type: ignore[import-untyped]

    plain = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    expected = [plain.score(reference, text) for reference, text in zip(references, texts, strict=True)]
    for _ in range(2):  # the second time from memory
        for kind, scores in rouge(texts, references).items():
            assert scores == [score[kind].fmeasure for score in expected]


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
