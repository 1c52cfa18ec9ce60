"""PPO's formulas against the numbers of TRL 1.12, read out of its running trainer.

tests/data/make_trl_ppo_numbers.py made them. Where the two define different things: TRL lets an answer end
one place after its last token, where it puts the score and fits one more value (with TRL's mask, what is here
gives its numbers); it divides the variance by n - 1; its approximate KL is a mean over padding too.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import ppo_float64 as papers
import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor

from training import ppo

TRL = json.loads((Path(__file__).parents[1] / "data/trl_ppo_numbers.json").read_text(encoding="utf-8"))


def tensor(recorded: Any) -> Tensor:
    """Masks stay masks; numbers keep the float64 that TRL computed in."""
    array = np.array(recorded)
    return torch.from_numpy(array if array.dtype == np.bool_ else array.astype(np.float64))


def trl(name: str) -> Tensor:
    return tensor(TRL["rollout"][name])


def same(ours: Any, theirs: Any, tolerance: float = 1e-10) -> None:
    assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=tolerance, atol=tolerance)


def test_trl_recorded_answers_of_several_lengths() -> None:
    assert (TRL["trl"], sorted(set(TRL["rollout"]["sequence_lengths"]))) == ("1.12.0", [2, 3, 8])


def test_rewards_are_trls_with_trls_mask() -> None:
    rewards = ppo.token_rewards(
        trl("scores"),
        trl("logprobs"),
        trl("ref_logprobs"),
        ~trl("padding_mask_p1"),
        TRL["settings"]["kl_coef"],
    )
    same(rewards, trl("rewards"))


def test_rewards_differ_from_trls_in_the_place_of_the_score_alone() -> None:
    mask, theirs = ~trl("padding_mask"), trl("rewards")
    coef = TRL["settings"]["kl_coef"]
    ours = ppo.token_rewards(trl("scores"), trl("logprobs"), trl("ref_logprobs"), mask, coef)
    last, width = mask.sum(1) - 1, mask.shape[1]
    for row in range(len(last)):
        end = int(last[row])
        moved = theirs[row].clone()
        if end + 1 < width:
            moved[end], moved[end + 1] = moved[end] + moved[end + 1], 0.0
        same(ours[row], moved)


def test_advantages_and_returns_are_trls() -> None:
    settings, mask = TRL["settings"], ~trl("padding_mask_p1")
    advantages, returns = ppo.advantages_and_returns(
        trl("rewards"), trl("values"), mask, settings["gamma"], settings["lam"]
    )
    same(returns, trl("returns"))
    same(advantages, trl("returns") - trl("values"))


def test_whitened_advantages_are_trls_but_for_bessels_correction() -> None:
    mask = ~trl("padding_mask")
    count = int(mask.sum())
    ours = ppo.whiten(trl("returns") - trl("values"), mask)
    same(ours * ((count - 1) / count) ** 0.5, trl("advantages"), 1e-8)  # both add 1e-8 to their own variance


@pytest.mark.parametrize("number", range(len(TRL["mini_batches"])))
def test_losses_are_trls(number: int) -> None:
    settings, theirs = TRL["settings"], TRL["mini_batches"][number]
    rows = theirs["micro_batch_inds"]
    mask, mask_p1 = ~trl("padding_mask")[rows], ~trl("padding_mask_p1")[rows]
    logprobs, old, values = tensor(theirs["new_logprobs"]), trl("logprobs")[rows], trl("values")[rows]
    gain, clipped = ppo.policy_loss(logprobs, old, trl("advantages")[rows], mask, settings["cliprange"])
    error, value_clipped = ppo.value_loss(
        tensor(theirs["vpred"]), values, trl("returns")[rows], mask_p1, settings["cliprange_value"]
    )
    same((gain / mask.sum(), error / mask_p1.sum()), (theirs["pg_loss"], theirs["vf_loss"]))
    shares = (clipped / mask.sum(), value_clipped / mask_p1.sum())
    same(shares, (theirs["pg_clipfrac"], theirs["vf_clipfrac"]), 1e-6)  # TRL counts in float32
    same(ppo.approx_kl(logprobs, old, mask) / mask.numel(), theirs["approxkl"])


def test_the_mean_kl_is_trls() -> None:
    mask = ~trl("padding_mask")
    summed = papers.kl(trl("logprobs").numpy(), trl("ref_logprobs").numpy(), mask.numpy())
    same(np.mean(summed), TRL["step"]["mean_kl"])
