"""Scores of one ranking and of one choice, against worked examples and formulas written out."""

import math
import random

import pytest

from agent.evaluation.ranking_scores import choice_scores, ranking_scores


def test_a_ranking_is_scored_as_in_the_worked_example() -> None:
    # DCG = 2/log2(2) + 3/log2(4), at best 3/log2(2) + 2/log2(3) + 1/log2(4).
    found = ranking_scores({"a": 3, "b": 2, "d": 1}, ["b", "c", "a"], [1, 3])
    assert found == pytest.approx(
        {"ndcg@10": 3.5 / (3 + 2 / math.log2(3) + 0.5), "recall@1": 1 / 3, "recall@3": 2 / 3, "mrr": 1.0}
    )


def test_random_rankings_are_scored_as_the_formulas_say() -> None:
    draw = random.Random(0)
    uids = [f"d{n}" for n in range(60)]
    for _ in range(40):
        relevant = {uid: draw.randint(1, 3) for uid in draw.sample(uids, draw.randint(1, 15))}
        ranked = draw.sample(uids, draw.randint(1, 60))
        expected = {
            "ndcg@10": gain([relevant.get(uid, 0) for uid in ranked]) / gain(ideal(relevant)),
            **{f"recall@{k}": len(relevant.keys() & set(ranked[:k])) / len(relevant) for k in (1, 3, 10, 50)},
            "mrr": next((1 / n for n, uid in enumerate(ranked, start=1) if uid in relevant), 0.0),
        }
        assert ranking_scores(relevant, ranked, [1, 3, 10, 50]) == pytest.approx(expected)


def test_what_is_not_found_is_worth_nothing() -> None:
    nothing = {"ndcg@10": 0.0, "recall@5": 0.0, "mrr": 0.0}
    assert ranking_scores({"a": 1}, [], [5]) == nothing
    assert ranking_scores({"a": 1}, ["b", "c"], [5]) == nothing


def test_names_do_not_decide_a_ranking() -> None:
    assert [ranking_scores({uid: 1}, ["z", "a"], [1])["mrr"] for uid in ("z", "a")] == [1.0, 0.5]


@pytest.mark.parametrize(
    ("scores", "worth"),
    [
        ({"a": 3.0, "b": 2.0, "c": 1.0}, {"accuracy": 1.0, "mrr": 1.0}),
        ({"a": 1.0, "b": 2.0, "c": 3.0}, {"accuracy": 0.0, "mrr": 1 / 3}),
        ({"a": 1.0, "b": 1.0, "c": 1.0}, {"accuracy": 1 / 3, "mrr": (1 + 1 / 2 + 1 / 3) / 3}),
        ({"b": 1.0}, {"accuracy": 0.0, "mrr": (1 / 2 + 1 / 3) / 2}),
        ({"a": -1.0}, {"accuracy": 1.0, "mrr": 1.0}),
        ({}, {"accuracy": 1 / 3, "mrr": (1 + 1 / 2 + 1 / 3) / 3}),
    ],
)
def test_a_choice_is_worth_what_chance_would_make_of_its_ties(
    scores: dict[str, float], worth: dict[str, float]
) -> None:
    assert choice_scores("a", ["a", "b", "c"], scores) == pytest.approx(worth)


def gain(grades: list[int]) -> float:
    return sum(grade / math.log2(rank + 1) for rank, grade in enumerate(grades[:10], start=1))


def ideal(relevant: dict[str, int]) -> list[int]:
    return sorted(relevant.values(), reverse=True)
