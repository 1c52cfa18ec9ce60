"""What the settings of PPO do to a run: warm-up, early stop, schedules, micro-batches, the reference."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from numpy.testing import assert_allclose
from tiny_runs import ending_at_once, gpt2, kitchen, settings, tokenizer, write_model

from tools.errors import TrainingError
from training import PPOTrainer
from training.experience import gather_experience
from training.policy import Policy
from training.rollouts import Sampling, generate

PROMPTS, RESPONSES = [[5, 6, 7], [8]], [[9, 10], [11, 12, 13]]


def letters(prompts: list[str], completions: list[str], **_: Any) -> list[float]:
    """A reward that says something of every completion; zeros would leave AdamW nothing but rounding."""
    assert len(prompts) == len(completions)
    return [len(set(text)) / 10 for text in completions]


def trainer(folder: Path, **changes: Any) -> PPOTrainer:
    """A trainer that takes steps; without value warm-up unless asked for."""
    changes = {"value_warmup_steps": 0, "eval_rows": 0, **changes}
    return PPOTrainer(settings(folder, **changes), folder / "run", reward=letters)


def steps(folder: Path, count: int, **changes: Any) -> list[dict[str, float]]:
    """The metrics of some steps."""
    taking = trainer(folder, **changes)
    return [taking.step(step)[0] for step in range(count)]


def weights(policy: Policy) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in policy.trained().items()}


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, weight in before.items() if not torch.equal(weight, after[name])}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return kitchen(tmp_path)


@pytest.mark.parametrize("lora_rank", [0, 2])
def test_the_value_heads_warm_up_moves_nothing_else(folder: Path, lora_rank: int) -> None:
    taking = trainer(folder, value_warmup_steps=2, lora_rank=lora_rank)
    before = weights(taking.policy)
    told = [taking.step(step)[0] for step in (0, 1)]
    assert moved(before, weights(taking.policy)) == {"value_head.weight", "value_head.bias"}
    assert all(abs(line["kl"]) < 1e-4 for line in told)
    assert all("policy_loss" not in line for line in told)
    taking.step(2)
    assert moved(before, weights(taking.policy)) > {"value_head.weight", "value_head.bias"}


def test_target_kl_ends_the_epochs_of_a_step(folder: Path) -> None:
    for target, epochs in ((0.0, 4), (1e-7, 1), (1e7, 4)):
        told = steps(folder, 2, ppo_epochs=4, target_kl=target, learning_rate=1e-2)
        assert [line["epochs_done"] for line in told] == [epochs, epochs]
    stopped, whole = (steps(folder, 1, ppo_epochs=4, target_kl=each)[0] for each in (1e-7, 0.0))
    assert stopped["approx_kl"] < whole["approx_kl"]


def test_the_kl_coefficient_follows_its_target(folder: Path) -> None:
    options = {"kl_coef": 0.2, "kl_horizon": 20, "learning_rate": 1e-2}
    told = steps(folder, 4, kl_target=0.5, **options)
    assert len({line["kl_coef"] for line in told}) == 4
    for now, after in pairwise(told):
        error = min(max(now["kl"] / 0.5 - 1, -0.2), 0.2)
        assert after["kl_coef"] == pytest.approx(now["kl_coef"] * (1 + error * 4 / 20))
    assert [line["kl_coef"] for line in steps(folder, 3, kl_target=0.0, **options)] == [0.2] * 3


def test_the_kl_penalty_holds_the_policy_back(folder: Path) -> None:
    options = {"kl_target": 0.0, "lr_schedule": "constant", "batch_size": 16, "mini_batch_size": 16}
    free, held = ([line["kl"] for line in steps(folder, 20, kl_coef=coef, **options)] for coef in (0.0, 2.0))
    assert sum(held[-5:]) < sum(free[-5:]) / 2, (free, held)


@pytest.mark.parametrize("lora_rank", [0, 2])
def test_micro_batches_add_up_to_the_same_steps(folder: Path, lora_rank: int) -> None:
    options = {"batch_size": 6, "mini_batch_size": 6, "min_prompt_tokens": 8, "lora_rank": lora_rank}
    options["value_warmup_steps"] = 1
    whole, by_row, by_some = (
        steps(folder, 4, micro_batch_tokens=tokens, **options) for tokens in (10_000, 1, 60)
    )
    for one, other in ((whole, by_row), (whole, by_some)):
        for left, right in zip(one, other, strict=True):
            assert left.keys() == right.keys()
            assert_allclose(list(right.values()), list(left.values()), atol=1e-4, rtol=1e-4)


def test_the_learning_rate_falls_in_a_line_or_stays(folder: Path) -> None:
    told = steps(folder, 8, learning_rate=8e-4)
    assert_allclose([line["learning_rate"] for line in told], [8e-4 * left / 8 for left in range(8, 0, -1)])
    taking = trainer(folder, learning_rate=8e-4, value_learning_rate=2e-3)
    taking.step(4)
    groups = taking._update.optimizer.param_groups
    assert_allclose([group["lr"] for group in groups], [4e-4, 1e-3])
    told = steps(folder, 3, learning_rate=8e-4, lr_schedule="constant")
    assert [line["learning_rate"] for line in told] == [8e-4] * 3


def test_an_answer_without_an_end_is_penalised_where_asked(folder: Path) -> None:
    plain, penalised = (steps(folder, 1, missing_eos_penalty=each)[0] for each in (0.0, 3.0))
    assert plain["eos_share"] < 1
    assert penalised["reward"] == plain["reward"]
    expected = plain["score"] - 3.0 * (1 - plain["eos_share"])
    assert penalised["score"] == pytest.approx(expected, abs=1e-5)
    write_model(folder / "model", ending_at_once())
    plain, penalised = (steps(folder, 1, missing_eos_penalty=each)[0] for each in (0.0, 3.0))
    assert (penalised["eos_share"], penalised["score"]) == (1.0, plain["score"])


def test_with_lora_the_reference_is_the_base_whose_weights_stay(folder: Path) -> None:
    taking = trainer(folder, lora_rank=2, learning_rate=1e-2)
    base = Policy.load(settings(folder))
    frozen = {name: weight for name, weight in taking.policy.model.named_parameters() if "lora_" not in name}
    before = {name: weight.detach().clone() for name, weight in frozen.items()}
    for step in range(3):
        taking.step(step)
    reference = taking.policy.reference_logprobs(PROMPTS, RESPONSES)
    with torch.no_grad():
        expected, now = (policy.score(PROMPTS, RESPONSES).logprobs for policy in (base, taking.policy))
    assert torch.equal(reference, expected)
    assert not torch.allclose(now, expected, atol=1e-3)
    assert len(before) > 20
    assert moved(before, frozen) == set()


def test_with_full_fine_tuning_the_reference_stays_at_the_start(folder: Path) -> None:
    taking = trainer(folder, learning_rate=1e-2)
    with torch.no_grad():
        start = taking.policy.score(PROMPTS, RESPONSES).logprobs
    reference = taking.policy.reference_logprobs(PROMPTS, RESPONSES)
    # copied weights lie elsewhere in memory, which BLAS may round otherwise
    torch.testing.assert_close(reference, start, rtol=0, atol=2e-6)
    for step in range(3):
        taking.step(step)
    assert torch.equal(taking.policy.reference_logprobs(PROMPTS, RESPONSES), reference)
    with torch.no_grad():
        assert not torch.allclose(taking.policy.score(PROMPTS, RESPONSES).logprobs, start, atol=1e-3)


def test_the_kl_is_that_of_rollouts_against_the_reference(folder: Path) -> None:
    first, *_, last = steps(folder, 5, learning_rate=1e-2)
    assert abs(first["kl"]) < 1e-4
    assert abs(last["kl"]) > 1e-2


def test_a_step_that_explodes_is_told_and_moves_nothing_more(folder: Path) -> None:
    taking = trainer(folder, learning_rate=1e30)
    with pytest.raises(TrainingError) as error:
        [taking.step(step) for step in range(3)]
    assert str(error.value).startswith("The gradient is no number any more at step ")
    assert str(error.value).endswith("lower learning_rate, or raise kl_coef.")


def test_every_row_comes_once_before_any_comes_again(folder: Path) -> None:
    prompts = trainer(folder).prompts
    seen = [prompt.row.id for step in range(7) for prompt in prompts.batch(step, 4)]
    assert len(set(seen[:14])) == 14
    assert sorted(seen[:14]) == sorted(seen[14:])
    assert seen[:14] != seen[14:]


def test_drawn_prompt_lengths_differ_between_rounds_and_repeat_with_the_seed(folder: Path) -> None:
    drawing = trainer(folder, min_prompt_tokens=8).prompts
    lengths = [[len(prompt.ids) for prompt in drawing.batch(step, 14)] for step in (0, 1)]
    assert max(map(max, lengths)) <= 20
    assert sorted(lengths[0]) != sorted(lengths[1])
    again = trainer(folder, min_prompt_tokens=8).prompts
    assert [len(prompt.ids) for prompt in again.batch(1, 14)] == lengths[1]


@pytest.mark.parametrize("bits", ["4bit", "8bit"])
def test_an_adapter_on_a_quantized_base_trains(folder: Path, bits: str) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    write_model(folder / "model", gpt2(width=64))  # bitsandbytes quantizes in blocks of 64
    taking = trainer(folder, quantize=bits, lora_rank=4, lora_targets=["c_attn", "c_fc"])
    before = weights(taking.policy)
    first = taking.step(0)[0]
    assert first["epochs_done"] == 2
    assert {name for name in moved(before, weights(taking.policy)) if "lora_B" in name}


def test_bfloat16_keeps_ratios_near_1_where_logits_are_large() -> None:
    """Logits near -90 are 0.25 nats apart in bfloat16: the head must not be rounded."""
    model = gpt2()
    with torch.no_grad():
        model.transformer.wte.weight.mul_(4)
        model.transformer.ln_f.bias.copy_(-20 * model.transformer.wte.weight.mean(0))
    policy = Policy(model, tokenizer(), precision="bf16")
    written = generate(policy, PROMPTS, Sampling(8), seeds=[1, 2])
    scored = policy.score(written.prompts, written.responses).logprobs
    for row, old in enumerate(written.logprobs):
        assert (scored[row, : len(old)] - old).abs().max() < 0.1


def test_in_the_warm_up_returns_are_of_the_whole_answer(folder: Path) -> None:
    """With lam 1 and no discount, every token's return is the sum of the rewards from it on."""
    taking = trainer(folder, value_warmup_steps=1, lam=0.5, kl_coef=0.0)
    prompts = taking.prompts.batch(0, 4)
    told = gather_experience(
        taking.policy, prompts, taking.reward, taking.config, taking.processes, step=0, kl_coef=0.0
    )
    first = [row.score for row in told.rows]
    assert_allclose(told.returns[:, 0], first, rtol=1e-5)
