"""PPO's formulas against float64 NumPy written from the papers, and against what lies behind a row's end.

The batches are random and ragged. Left out: where the numbers come from, which test_policy_numbers.py follows
through a model, and the formulas as TRL has them, in test_trl_numbers.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import ppo_float64 as papers
import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor

from training import ppo
from training.experience import Experience

PRECISIONS = pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)], ids=["float64", "float32"]
)
BATCHES = pytest.mark.parametrize("seed", range(12))
CLIP, VALUE_CLIP, KL_COEF, GAMMA, LAM = 0.2, 0.3, 0.1, 0.97, 0.9


@dataclass(frozen=True)
class Batch:
    """Random numbers for ragged rows, and for what lies behind their ends; the same in both precisions."""

    mask: papers.Mask
    scores: papers.Floats
    logprobs: papers.Floats
    old_logprobs: papers.Floats
    values: papers.Floats
    old_values: papers.Floats
    rewards: papers.Floats

    @classmethod
    def of(cls, seed: int) -> "Batch":
        random = np.random.default_rng(seed)
        lengths = random.integers(1, 13, size=random.integers(2, 7))
        mask = np.arange(lengths.max()) < lengths[:, None]
        drawn = [random.normal(0, 0.5, mask.shape).astype(np.float32).astype(np.float64) for _ in range(5)]
        scores = random.normal(0, 1, len(lengths)).astype(np.float32).astype(np.float64)
        return cls(mask, scores, *drawn)

    def tensors(self, dtype: torch.dtype) -> "Tensors":
        arrays = {name: torch.from_numpy(array).to(dtype) for name, array in vars(self).items()}
        return Tensors(**arrays | {"mask": torch.from_numpy(self.mask)})

    def with_other_numbers_behind_the_ends(self) -> "Batch":
        """Numbers so large that their exponentials overflow: a product with 0 would not hide them."""
        random = np.random.default_rng(0)
        changed = {
            name: np.where(self.mask, array, random.normal(0, 3000, self.mask.shape))
            for name, array in vars(self).items()
            if name not in ("mask", "scores")
        }
        return Batch(self.mask, self.scores, **changed)


@dataclass(frozen=True)
class Tensors:
    mask: Tensor
    scores: Tensor
    logprobs: Tensor
    old_logprobs: Tensor
    values: Tensor
    old_values: Tensor
    rewards: Tensor


FORMULAS: dict[str, Callable[[Any, Any], Any]] = {
    "token rewards": lambda of, b: of.token_rewards(b.scores, b.logprobs, b.old_logprobs, b.mask, KL_COEF),
    "advantages": lambda of, b: of.advantages_and_returns(b.rewards, b.values, b.mask, GAMMA, LAM)[0],
    "returns": lambda of, b: of.advantages_and_returns(b.rewards, b.values, b.mask, GAMMA, LAM)[1],
    "whitening": lambda of, b: of.whiten(b.rewards, b.mask),
    "policy loss": lambda of, b: of.policy_loss(b.logprobs, b.old_logprobs, b.rewards, b.mask, CLIP),
    "value loss": lambda of, b: of.value_loss(b.values, b.old_values, b.rewards, b.mask, VALUE_CLIP),
    "approximate KL": lambda of, b: of.approx_kl(b.logprobs, b.old_logprobs, b.mask),
    "explained variance": lambda of, b: of.explained_variance(b.values, b.rewards, b.mask),
}
every_formula = pytest.mark.parametrize("formula", FORMULAS.values(), ids=FORMULAS.keys())


def numbers(result: Any) -> papers.Floats:
    """Tensors, arrays and numbers, alone or in tuples, as one float64 array."""
    parts = result if isinstance(result, tuple) else (result,)
    return np.stack([np.asarray(part, dtype=np.float64) for part in parts])


# ---- against the papers


@every_formula
@PRECISIONS
@BATCHES
def test_every_formula_is_that_of_the_papers(
    formula: Callable[[Any, Any], Any], seed: int, dtype: torch.dtype, tolerance: float
) -> None:
    batch = Batch.of(seed)
    ours, theirs = formula(ppo, batch.tensors(dtype)), formula(papers, batch)
    # the product guards the variances that it divides by with 1e-8, which float64 sees
    slack = 1e-6 if formula is FORMULAS["explained variance"] else tolerance
    assert_allclose(numbers(ours), numbers(theirs), rtol=slack, atol=slack)


def test_the_batches_reach_every_side_of_the_clipping() -> None:
    batches = [Batch.of(seed) for seed in range(12)]
    shares = {
        name: sum(FORMULAS[name](papers, b)[1] for b in batches) / sum(b.mask.sum() for b in batches)
        for name in ("policy loss", "value loss")
    }
    assert all(0.1 < share < 0.9 for share in shares.values()), shares


@BATCHES
def test_the_kl_of_a_response_is_its_summed_log_ratio(seed: int) -> None:
    batch = Batch.of(seed)
    ours = batch.tensors(torch.float64)
    logprobs, reference, rest = ours.logprobs * ours.mask, ours.old_logprobs * ours.mask, ours.rewards
    experience = Experience([], ours.mask, logprobs, ours.values, reference, rest, rest, rest)
    theirs = papers.kl(batch.logprobs, batch.old_logprobs, batch.mask)
    assert_allclose(experience.kl.numpy(), theirs, atol=1e-10)


def test_the_adaptive_coefficient_follows_ziegler() -> None:
    controller, coef = ppo.KLController(0.2, target=6.0, horizon=100), 0.2
    for kl in (0.0, 3.0, 5.5, 6.0, 6.5, 30.0, -1.0):
        coef = papers.next_kl_coef(coef, kl, target=6.0, rows=8, horizon=100)
        assert controller.update(kl, rows=8) == pytest.approx(coef, rel=1e-12)


def test_without_a_target_the_coefficient_stays() -> None:
    assert ppo.KLController(0.2).update(kl=50.0, rows=8) == 0.2


# ---- masked positions


@every_formula
@BATCHES
def test_what_lies_behind_an_answer_has_no_influence(formula: Callable[[Any, Any], Any], seed: int) -> None:
    batch = Batch.of(seed)
    changed = batch.with_other_numbers_behind_the_ends()
    before, after = (formula(ppo, each.tensors(torch.float64)) for each in (batch, changed))
    assert np.array_equal(numbers(before), numbers(after))


@BATCHES
def test_gradients_stop_at_the_end_of_an_answer(seed: int) -> None:
    batch = Batch.of(seed).tensors(torch.float64)
    logprobs, values = batch.logprobs.clone().requires_grad_(), batch.values.clone().requires_grad_()
    gain, _ = ppo.policy_loss(logprobs, batch.old_logprobs, batch.rewards, batch.mask, CLIP)
    error, _ = ppo.value_loss(values, batch.old_values, batch.rewards, batch.mask, VALUE_CLIP)
    for gradient in torch.autograd.grad(gain + error, (logprobs, values)):
        assert not gradient[~batch.mask].any()
        assert gradient.any()
