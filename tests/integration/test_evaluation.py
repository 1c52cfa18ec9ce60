"""Before and after: a tiny real policy judged on held-out rows, and two of them compared."""

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tiny_policies import gpt2

from tools.errors import TrainingError
from tools.text_metrics import copied_share, repetition, rouge
from training.combined_reward import CombinedReward, Part
from training.config import PPOConfig
from training.data import Prompt, PromptMaker, Row
from training.evaluation import (
    RowResults,
    before_and_after,
    evaluate,
    judge,
    results_from_json,
    results_to_json,
    samples,
)
from training.evaluation_table import evaluation_table
from training.policy import Policy
from training.rewards import length_penalty, rouge1

CONFIG = PPOConfig(max_new_tokens=12, eval_batch_size=2, eval_temperatures=(1.0, 0.0), seed=3)
ROWS = [
    Row(f"r{n}", f"{'Stir the soup well. ' * n}Dish {n} is done. Serve it hot.", f"Dish {n} is served.")
    for n in range(1, 6)
]


def a_reward() -> CombinedReward:
    return CombinedReward(
        [Part("rouge1", 2.0, rouge1), Part("length_penalty", 1.0, length_penalty, {"target_words": 4})]
    )


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy(*gpt2())


@pytest.fixture(scope="module")
def prompts(policy: Policy) -> list[Prompt]:
    maker = PromptMaker(policy.tokenizer, "{{text}}\nTL;DR:", 64)
    return [prompt for row in ROWS if (prompt := maker.make(row, 0)) is not None]


@pytest.fixture(scope="module")
def before(policy: Policy, prompts: list[Prompt]) -> list[RowResults]:
    return evaluate(policy, prompts, a_reward(), CONFIG)


@pytest.fixture(scope="module")
def after(prompts: list[Prompt]) -> list[RowResults]:
    """What another policy does: the same one, pushed a little."""
    import torch

    pushed = Policy(*gpt2())
    torch.manual_seed(5)
    with torch.no_grad():
        for weight in pushed.model.parameters():
            weight += 0.05 * torch.randn_like(weight)
    return evaluate(pushed, prompts, a_reward(), CONFIG)


# ---- one policy


def test_every_row_is_answered_at_every_temperature_in_order(before: list[RowResults]) -> None:
    found = [(result.id, result.temperature) for row in before for result in row]
    assert found == [(row.id, temperature) for row in ROWS for temperature in (1.0, 0.0)]


def test_a_row_is_judged_as_the_rewards_and_metrics_judge_its_text(before: list[RowResults]) -> None:
    for row, (result, _) in zip(ROWS, before, strict=True):
        text = result.summary
        kinds = {kind: score for kind, (score,) in rouge([text], [row.summary]).items()}
        parts = {"rouge1": kinds["rouge1"], "length_penalty": length_penalty([], [text], target_words=4)[0]}
        assert result.metrics() == {
            "reward": pytest.approx(2 * parts["rouge1"] + parts["length_penalty"]),
            **{f"reward/{name}": score for name, score in parts.items()},
            **kinds,
            "words": len(text.split()),
            "repetition": repetition(text),
            "copied": copied_share(text, row.article),
            "tokens": result.tokens,
            "finished": result.finished,
            "kl": result.kl,
        }


def test_the_start_policy_is_its_own_reference_and_a_changed_one_is_not(
    before: list[RowResults], after: list[RowResults]
) -> None:
    start, changed = ([result.kl for row in rows for result in row] for rows in (before, after))
    assert max(map(abs, start)) < 1e-3
    assert np.mean(changed) > 0.1


def test_neither_batches_nor_processes_change_what_is_written(
    policy: Policy, prompts: list[Prompt], before: list[RowResults]
) -> None:
    alone = evaluate(policy, prompts[3:], a_reward(), replace(CONFIG, eval_batch_size=1))
    assert [[r.summary for r in row] for row in alone] == [[r.summary for r in row] for row in before[3:]]


def test_the_seed_decides_what_is_sampled(
    policy: Policy, prompts: list[Prompt], before: list[RowResults]
) -> None:
    again, other = (
        evaluate(policy, prompts, a_reward(), replace(CONFIG, seed=seed)) for seed in (CONFIG.seed, 4)
    )
    assert (again == before, other == before) == (True, False)
    assert [greedy.summary for _, greedy in other] == [greedy.summary for _, greedy in before]


def test_no_temperatures_or_rows_give_no_results(policy: Policy, prompts: list[Prompt]) -> None:
    nothing_asked = replace(CONFIG, eval_temperatures=())
    assert evaluate(policy, prompts, a_reward(), nothing_asked) == []
    assert evaluate(policy, [], a_reward(), CONFIG) == []


def test_results_come_back_from_disk_as_they_were(before: list[RowResults]) -> None:
    lines = [json.dumps(line) for line in results_to_json(before)]
    assert results_from_json([json.loads(line) for line in lines]) == before


# ---- two policies


@pytest.fixture(scope="module")
def evaluation(before: list[RowResults], after: list[RowResults], prompts: list[Prompt]) -> dict[str, Any]:
    return before_and_after(before, after, prompts, a_reward())


def column(results: Sequence[RowResults], place: int, metric: str) -> list[float]:
    return [row[place].metrics()[metric] for row in results]


@pytest.mark.parametrize(("temperature", "place"), [("temperature_1", 0), ("temperature_0", 1)])
@pytest.mark.parametrize("metric", ["reward", "reward/length_penalty", "rougeL", "words", "kl", "finished"])
def test_means_and_paired_differences_are_those_of_the_rows(
    evaluation: dict[str, Any],
    before: list[RowResults],
    after: list[RowResults],
    temperature: str,
    place: int,
    metric: str,
) -> None:
    early, late = (np.array(column(results, place, metric)) for results in (before, after))
    found = {when: each[metric] for when, each in evaluation[temperature].items()}
    means = {"before": early.mean(), "after": late.mean(), "difference": (late - early).mean()}
    assert {when: interval["mean"] for when, interval in found.items()} == pytest.approx(means)
    assert found["after"]["std"] == pytest.approx(late.std())
    assert all(each["low"] <= each["mean"] <= each["high"] and each["n"] == 5 for each in found.values())


def test_baselines_are_judged_on_the_same_rows(evaluation: dict[str, Any], prompts: list[Prompt]) -> None:
    leads = [" ".join(row.article.split(". ")[:3]) for row in ROWS]
    expected = judge(leads, prompts, a_reward())
    found = evaluation["baselines"]["lead-3"]
    assert found["rouge1"]["mean"] == pytest.approx(np.mean([each.rouge1 for each in expected]))
    assert found["reward"]["mean"] == pytest.approx(np.mean([each.reward for each in expected]))
    assert (found["copied"]["mean"], list(evaluation["baselines"])) == (1.0, ["lead-3", "random-3"])


def test_an_evaluation_is_json_and_the_same_every_time(
    evaluation: dict[str, Any], before: list[RowResults], after: list[RowResults], prompts: list[Prompt]
) -> None:
    again = before_and_after(before, after, prompts, a_reward())
    assert json.loads(json.dumps(again, allow_nan=False)) == evaluation
    assert list(evaluation) == ["n", "bootstrap", "temperature_1", "temperature_0", "baselines"]


def test_rows_that_were_dropped_are_in_no_column(
    before: list[RowResults], after: list[RowResults], prompts: list[Prompt]
) -> None:
    found = before_and_after(before[1:4], after[1:4], prompts, a_reward())
    lead = judge([" ".join(row.article.split(". ")[:3]) for row in ROWS[1:4]], prompts[1:4], a_reward())
    assert (found["n"], found["baselines"]["lead-3"]["rouge1"]["n"]) == (3, 3)
    assert found["baselines"]["lead-3"]["rouge1"]["mean"] == pytest.approx(np.mean([x.rouge1 for x in lead]))


def test_results_of_other_rows_cannot_be_compared(
    before: list[RowResults], after: list[RowResults], prompts: list[Prompt]
) -> None:
    with pytest.raises(TrainingError, match=r"is of other held-out rows than now: begin again with another"):
        before_and_after(before[:4], after[1:], prompts, a_reward())


def test_samples_stand_side_by_side_with_the_articles_first_words(
    before: list[RowResults], after: list[RowResults], prompts: list[Prompt]
) -> None:
    found = samples(before, after, prompts)
    assert [(each["id"], each["temperature"]) for each in found] == [
        (row.id, temperature) for temperature in (1.0, 0.0) for row in ROWS
    ]
    long = ROWS[-1].article * 3
    (first,) = samples(before[:1], after[:1], [replace(prompts[0], row=replace(ROWS[0], article=long))])[:1]
    assert first == {
        "id": "r1",
        "temperature": 1.0,
        "article_excerpt": " ".join(long.split()[:40]) + " …",
        "reference": "Dish 1 is served.",
        "before": before[0][0].summary,
        "after": after[0][0].summary,
        "reward_before": before[0][0].reward,
        "reward_after": after[0][0].reward,
    }


def test_the_table_shows_each_metric_with_its_baselines_and_n(evaluation: dict[str, Any]) -> None:
    from rich.console import Console

    shown = io.StringIO()
    Console(width=250, file=shown).print(evaluation_table(evaluation, 0.0))
    lines = shown.getvalue().splitlines()
    lead = evaluation["baselines"]["lead-3"]["rouge2"]
    (rouge2,) = [line for line in lines if "rouge2" in line]
    assert f"{lead['mean']:.3f} ±{(lead['high'] - lead['low']) / 2:.3f}" in rouge2
    (kl,) = [line for line in lines if " kl " in line]
    assert kl.count("±") == 3
    assert "n = 5 held-out rows; ± is half of the mean's 95% bootstrap interval" in lines[-1]
