"""The report of SFT and reward models: what held-out rows say, and the page that says it."""

import json
from pathlib import Path
from typing import Any

import pytest

from training.report import render
from training.supervised_diagnosis import diagnose_supervised, is_supervised

STEPS = 30


def curve(first: float, last: float) -> list[dict[str, Any]]:
    """Steps whose loss falls in a straight line."""
    values = [first + (last - first) * n / (STEPS - 1) for n in range(STEPS)]
    return [{"step": n, "loss": value} for n, value in enumerate(values, start=1)]


def sides(before: dict[str, float], after: dict[str, float], n: int = 60) -> dict[str, Any]:
    return {"before": {"n": n, **before}, "after": {"n": n, **after}}


@pytest.mark.parametrize(
    ("lines", "evaluation", "kinds", "said"),
    [
        (
            curve(2.7, 2.3), sides({"loss": 2.76}, {"loss": 2.33}), ["has learned"],
            "Loss fell from 2.76 to 2.33 nats a token on 60 held-out rows.",
        ),
        (
            curve(2.7, 2.9), sides({"loss": 2.7}, {"loss": 2.8}), ["has not learned"],
            "Loss went from 2.7 to 2.8 nats a token on 60 held-out rows.",
        ),
        (
            curve(2.7, 0.4), sides({"loss": 2.7}, {"loss": 2.5}), ["has learned", "overfitting"],
            "Loss fell from 2.7 to 2.5 nats a token on 60 held-out rows.",
        ),
        (
            curve(0.7, 0.5), sides({"accuracy": 0.5}, {"accuracy": 0.8}, 100), ["has learned"],
            "80% of 100 held-out pairs are in the right order; chance puts 50% there.",
        ),
        (
            curve(0.7, 0.5), sides({"accuracy": 0.5}, {"accuracy": 0.58}, 100), ["has not learned"],
            "58% of 100 held-out pairs are in the right order; chance puts 50% there, give or take 10%.",
        ),
        (
            curve(0.7, 0.5), {}, ["too short to tell"],
            "There are no figures of held-out rows after the run, so nothing tells what it has learned.",
        ),
    ],
)  # fmt: skip
def test_a_run_is_judged_by_its_held_out_rows(
    lines: list[dict[str, Any]], evaluation: dict[str, Any], kinds: list[str], said: str
) -> None:
    findings = diagnose_supervised(lines, evaluation)
    assert [finding.kind for finding in findings] == kinds
    assert findings[0].sentence == said


def test_only_supervised_runs_have_a_single_loss() -> None:
    assert is_supervised(curve(1.0, 0.5))
    assert not is_supervised([{"step": 1, "policy_loss": 0.1, "value_loss": 0.2}])
    assert not is_supervised([])


def test_the_page_has_figures_curves_and_no_words_of_ppo(tmp_path: Path) -> None:
    evaluation = sides(
        {"loss": 2.76, "token_accuracy": 0.48, "tokens": 900}, {"loss": 2.33, "token_accuracy": 0.54}
    )
    (tmp_path / "config.json").write_text(json.dumps({"name": "mine", "lora_rank": 16, "batch_size": 8}))
    (tmp_path / "evaluation.json").write_text(json.dumps(evaluation))
    for name, lines in (
        ("metrics", curve(2.7, 2.3)),
        ("timing", [{"step": n, "seconds": 4.0} for n in range(1, STEPS + 1)]),
    ):
        (tmp_path / f"{name}.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    page = render(tmp_path)
    for words in (
        "<strong>Has learned.</strong>", "n = 60", "tokens guessed right", "<td>2.330</td>", "<td>0.480</td>",
        "8 rows", "2:00 min, 4 s a step", "<b>loss</b> <span>2.6",
    ):  # fmt: skip
        assert words in page, words
    for words in ("lead-3", "reward", "responses", "bootstrap", "900"):
        assert words not in page, words
