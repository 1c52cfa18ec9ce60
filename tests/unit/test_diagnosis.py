"""What curves mean: constructed runs with noise and several seeds, of which the truth is known."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from constructed_runs import Curve, healthy, levelling, ramp, run, sudden

from training.diagnosis import diagnose

SEEDS = range(8)
N = 250
GAIN, LOSS = ramp(N, 0.24, 0.36), ramp(N, 0.25, 0.05)
several_seeds = pytest.mark.parametrize("seed", SEEDS)


def kinds(lines: Sequence[dict[str, Any]]) -> list[str]:
    return [finding.kind for finding in diagnose(lines)]


@several_seeds
def test_a_healthy_run_is_learning_and_nothing_else(seed: int) -> None:
    assert kinds(healthy(seed)) == ["learning"]


@several_seeds
@pytest.mark.parametrize("n", [40, N, 1000])
def test_noise_alone_is_stalled(seed: int, n: int) -> None:
    assert kinds(run(seed, n)) == ["stalled"]


@several_seeds
@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ({"kl": ramp(N, 0.0, 60.0)}, "KL ran away"),
        ({"repetition": ramp(N, 0.03, 0.4)}, "repeated 3-grams rose"),
        ({"response_tokens": ramp(N, 50.0, 120.0)}, "responses grew"),
        ({"response_tokens": ramp(N, 90.0, 128.0), "eos_share": ramp(N, 0.8, 0.05)}, "ending by themselves"),
        ({"response_tokens": levelling(N, 60.0, 4.0)}, "responses shrank"),
    ],
)
def test_a_reward_that_rises_while_something_runs_away_is_hacked(
    seed: int, shapes: dict[str, Curve], said: str
) -> None:
    (finding,) = diagnose(run(seed, N, reward=GAIN, **shapes))
    assert (finding.kind, finding.severity, said in finding.sentence) == ("reward hacking", "bad", True)


@several_seeds
@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ({"entropy": levelling(N, 2.4, 0.0)}, "entropy is gone"),
        ({"reward": LOSS}, "reward fell"),
        ({"reward": sudden(N, 0.3, 0.1, at=0.85)}, "reward fell"),
        ({"reward": np.concatenate([ramp(150, 0.25, 0.35), ramp(100, 0.35, 0.15)])}, "reward fell"),
        ({"reward": LOSS, "response_tokens": levelling(N, 60.0, -20.0)}, "responses shrank"),
        ({"reward_std": levelling(N, 0.1, -0.03)}, "score alike"),
        ({"repetition": ramp(N, 0.03, 0.7)}, "repeated 3-grams rose"),
        ({"kl": sudden(N, 4.0, 150.0)}, "KL ran away"),
    ],
)
def test_a_policy_that_no_longer_writes_has_collapsed(seed: int, shapes: dict[str, Curve], said: str) -> None:
    (finding,) = diagnose(run(seed, N, **shapes))
    assert (finding.kind, finding.severity, said in finding.sentence) == ("collapse", "bad", True)


@several_seeds
@pytest.mark.parametrize("reward", [GAIN, 0.25])
def test_values_that_explain_nothing_are_found_beside_whatever_else_holds(
    seed: int, reward: Curve | float
) -> None:
    lines = run(seed, N, reward=reward, value_explained_variance=-0.1, value_loss=0.08)
    progress = "stalled" if isinstance(reward, float) else "learning"
    assert kinds(lines) == [progress, "value function not learning"]


@several_seeds
def test_a_value_loss_that_does_not_fall_is_enough_where_nothing_else_was_written(seed: int) -> None:
    flat, falling = run(seed, N, value_loss=0.08), run(seed, N)
    for line in flat + falling:
        del line["value_explained_variance"]
    assert (kinds(flat), kinds(falling)) == (["stalled", "value function not learning"], ["stalled"])


@several_seeds
def test_one_step_of_absurd_explained_variance_does_not_condemn_a_value_head(seed: int) -> None:
    lines = healthy(seed)
    lines[-3]["value_explained_variance"] = -500.0
    assert kinds(lines) == ["learning"]


@several_seeds
def test_hacking_and_collapse_and_values_can_hold_at_once(seed: int) -> None:
    shapes = {"reward": GAIN, "entropy": levelling(N, 2.4, 0.0), "repetition": ramp(N, 0.03, 0.8)}
    found = kinds(run(seed, N, value_explained_variance=-0.2, **shapes))
    assert found == ["collapse", "reward hacking", "value function not learning"]


def test_a_little_loss_is_stalled_and_said() -> None:
    (finding,) = diagnose(run(1, N, reward=ramp(N, 0.25, 0.235)))
    assert finding.kind == "stalled"
    assert finding.sentence.startswith("Reward fell a little from 0.247 to 0.228 (-0.0187 ± 0.00")


def test_steps_that_warm_the_value_head_up_are_no_loss_of_entropy() -> None:
    lines = healthy(0)
    for line in lines[:50]:
        line["entropy"] = 0.0
    assert kinds(lines) == ["learning"]


def test_a_finding_carries_the_figures_that_led_to_it() -> None:
    (finding,) = diagnose([{"step": n, "reward": float(n)} for n in range(1, 41)])[:1]
    assert finding.sentence == "Reward rose from 5.5 to 35.5 (+30 ± 0) over 40 steps."
    assert {name: round(value, 9) for name, value in finding.figures.items()} == {
        "reward_first": 5.5,
        "reward_last": 35.5,
        "reward_change_error": 0.0,
        "reward_slope": 1.0,
        "reward_slope_error": 0.0,
        "n": 40,
        "window": 10,
    }


@pytest.mark.parametrize(("n", "said"), [(0, "0 steps are"), (1, "1 step is"), (19, "19 steps are")])
def test_a_short_run_is_not_judged(n: int, said: str) -> None:
    (finding,) = diagnose(healthy(0, N)[:n])
    assert (finding.kind, finding.sentence) == (
        "too short to tell",
        f"{said} too few to judge the curves.",
    )


def test_missing_null_and_infinite_numbers_are_passed_over() -> None:
    lines = healthy(0)
    lines[3] |= {"reward": None, "kl": float("inf")}
    del lines[7]["reward"]
    (finding,) = diagnose(lines)
    assert (finding.kind, finding.figures["n"]) == ("learning", 249)
