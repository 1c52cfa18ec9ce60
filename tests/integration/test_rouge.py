"""ROUGE as a number and as a reward, against counts made by hand and against rouge_score as it comes.

These are no unit tests because rouge_score imports nltk, which takes seconds.
"""

import json
import math

import pytest
from shared_data import DATA, needs_data

from tools.text_metrics import ROUGE_KINDS, rouge
from training.config import RewardSpec
from training.rewards import READY_MADE, Reward, build_rewards, rouge1, rougeLsum

PROMPTS = ["Summarize: a", "Summarize: b"]
SUMMARIES = ["fry the ham", "boil two eggs"]


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


@needs_data
def test_remembering_tokens_changes_no_number() -> None:
    articles = (DATA / "summaries/cnn_validation.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in articles.splitlines()[:20]]
    texts, references = [row["article"][:600] for row in rows], [row["summary"] for row in rows]
    from rouge_score.rouge_scorer import RougeScorer  # type: ignore[import-untyped]

    plain = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    expected = [plain.score(reference, text) for reference, text in zip(references, texts, strict=True)]
    for _ in range(2):  # the second time from memory
        for kind, scores in rouge(texts, references).items():
            assert scores == [score[kind].fmeasure for score in expected]


# ---- as rewards


def test_rouge_compares_with_the_summary_column() -> None:
    scores = rouge1(PROMPTS, ["fry the ham", "fry two hams"], summary=SUMMARIES, article=["", ""])
    assert scores == [1.0, pytest.approx(1 / 3)]


def test_rougelsum_does_not_mind_the_order_of_sentences() -> None:
    swapped, straight = "Boil two eggs. Fry the ham.", "Fry the ham.\nBoil two eggs."
    assert rougeLsum(["p"], [swapped], summary=[straight]) == [1.0]
    assert build_rewards([RewardSpec("rougeL")])(["p"], [swapped], summary=[straight]) == [0.5]


def test_rouge_takes_the_column_names_of_other_data_sets() -> None:
    assert rouge1(["p"], ["ham"], highlights=["ham"]) == [1.0]
    assert build_rewards([RewardSpec("rouge1", 1.0, {"reference_column": "gold"})])(
        ["p"], ["ham"], summary=["egg"], gold=["ham"]
    ) == [1.0]


@pytest.mark.parametrize("name", ROUGE_KINDS)
def test_an_empty_completion_gets_a_number(name: str) -> None:
    scores = build_rewards([RewardSpec(name)])(PROMPTS, ["", "  "], summary=SUMMARIES)
    assert len(scores) == 2
    assert all(math.isfinite(score) and score <= 0 for score in scores)


@pytest.mark.parametrize("name", ROUGE_KINDS)
def test_a_chat_completion_counts_as_its_text(name: str) -> None:
    texts = ["fry the ham and fry the ham", "boil ham"]
    chats = [[{"role": "assistant", "content": text}] for text in texts]
    reward: Reward = READY_MADE[name]
    assert reward(PROMPTS, chats, summary=SUMMARIES) == reward(PROMPTS, texts, summary=SUMMARIES)


def test_a_sum_is_weighted_and_its_parts_are_not() -> None:
    specs = [RewardSpec("rouge1", 2.0), RewardSpec("length_penalty", 0.5, {"target_words": 2})]
    reward = build_rewards(specs)
    assert reward(PROMPTS, ["fry the ham", "soup"], summary=SUMMARIES) == [2 - 0.25, -0.25]
    assert reward.parts == {"rouge1": [1.0, 0.0], "length_penalty": [-0.5, -0.5]}
    assert reward.weights == {"rouge1": 2.0, "length_penalty": 0.5}


def test_a_part_of_weight_nothing_is_watched_and_not_followed() -> None:
    reward = build_rewards([RewardSpec("rouge1"), RewardSpec("repetition_penalty", 0.0)])
    assert reward(["p"], ["on and on and on and"], summary=["soup"]) == [0.0]
    assert reward.parts["repetition_penalty"] == [-0.5]
