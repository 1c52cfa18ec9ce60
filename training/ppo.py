"""The mathematics of PPO for language models: pure functions of tensors, each with its source.

Tensors are padded on the right, (rows, response), with a bool mask that is true at real tokens; losses are
sums over real tokens, so that micro-batches and processes can be added up and divided once. Only methods of
tensors are used, which is why nothing here imports torch. Left out: anything that knows a model.

    [Z] Ziegler et al. 2019, Fine-Tuning Language Models from Human Preferences, arXiv 1909.08593
    [S] Stiennon et al. 2020, Learning to summarize from human feedback, arXiv 2009.01325
    [N] Huang et al. 2024, The N+ Implementation Details of RLHF with PPO, arXiv 2403.17031
    [G] Schulman et al. 2016, High-Dimensional Continuous Control Using GAE, arXiv 1506.02438
    [P] Schulman et al. 2017, Proximal Policy Optimization Algorithms, arXiv 1707.06347
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_EPSILON = 1e-8
_LARGEST_KL_ERROR = 0.2  # [Z] section 2.2, the clipping of the adaptive coefficient


def token_rewards(
    scores: "Tensor", logprobs: "Tensor", reference_logprobs: "Tensor", mask: "Tensor", kl_coef: float
) -> "Tensor":
    """Rewards of each token: minus kl_coef times the log-ratio, and the score at the last real token.

    `scores` is (rows,), the rest (rows, response); the log-ratio is a one-sample estimate of the KL
    divergence ([Z] eq. 2, [S] section 3.4). A row without tokens keeps no score.
    """
    rewards = -kl_coef * (logprobs - reference_logprobs) * mask
    lengths = mask.sum(1)
    rows = (lengths > 0).nonzero().squeeze(1)
    rewards[rows, lengths[rows] - 1] += scores[rows].to(rewards.dtype)
    return rewards


def advantages_and_returns(
    rewards: "Tensor", values: "Tensor", mask: "Tensor", gamma: float, lam: float
) -> tuple["Tensor", "Tensor"]:
    """Generalised advantage estimates and what the value head should have said, zero where masked.

    [G] eq. 11 and 16, with value 0 after the last token: an answer ends the episode, cut off or not.
    """
    values = values * mask
    advantages = values.new_zeros(values.shape)
    advantage = next_value = values.new_zeros(values.shape[0])
    for t in reversed(range(values.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        advantage = (delta + gamma * lam * advantage) * mask[:, t]
        advantages[:, t], next_value = advantage, values[:, t]
    return advantages, advantages + values


def whiten(values: "Tensor", mask: "Tensor") -> "Tensor":
    """Shift and scale to mean 0 and variance 1 over real tokens; [N] detail "whiten", biased variance."""
    count = mask.sum().clamp(min=1)
    mean = (values * mask).sum() / count
    variance = (((values - mean) * mask) ** 2).sum() / count
    return (values - mean) * (variance + _EPSILON).rsqrt() * mask


def policy_loss(
    logprobs: "Tensor", old_logprobs: "Tensor", advantages: "Tensor", mask: "Tensor", clip_range: float
) -> tuple["Tensor", "Tensor"]:
    """The clipped surrogate objective ([P] eq. 7), negated and summed; and how many tokens were clipped."""
    ratio = ((logprobs - old_logprobs) * mask).exp()
    unclipped = -advantages * ratio
    clipped = -advantages * ratio.clamp(1 - clip_range, 1 + clip_range)
    return (unclipped.maximum(clipped) * mask).sum(), ((clipped > unclipped) & mask).sum()


def value_loss(
    values: "Tensor", old_values: "Tensor", returns: "Tensor", mask: "Tensor", clip_range: float
) -> tuple["Tensor", "Tensor"]:
    """Half the squared error, of the worse of the value and its clipped move; and how many were clipped.

    [N] detail "value function loss clipping", as in the code of [Z].
    """
    near_old = values.clamp(old_values - clip_range, old_values + clip_range)
    error, clipped_error = (values - returns) ** 2, (near_old - returns) ** 2
    return 0.5 * (error.maximum(clipped_error) * mask).sum(), ((clipped_error > error) & mask).sum()


def approx_kl(logprobs: "Tensor", old_logprobs: "Tensor", mask: "Tensor") -> "Tensor":
    """How far the policy has moved from the one that wrote: half the squared log-ratio, summed ([N])."""
    return 0.5 * (((logprobs - old_logprobs) ** 2) * mask).sum()


def explained_variance(values: "Tensor", returns: "Tensor", mask: "Tensor") -> float:
    """1 - Var(returns - values) / Var(returns) over real tokens: 1 is a perfect value head, 0 a constant."""
    seen = returns[mask]
    if seen.numel() < 2:
        return 0.0
    return float(1 - (seen - values[mask]).var() / (seen.var() + _EPSILON))


@dataclass
class KLController:
    """The coefficient of the KL penalty; with a target it adapts, as in [Z] section 2.2 and its code.

    `target` is in nats a response and 0 for a fixed coefficient; `horizon` is in responses.
    """

    coef: float
    target: float = 0.0
    horizon: int = 10_000

    def update(self, kl: float, rows: int) -> float:
        """The next coefficient after `rows` responses with this mean KL.

        >>> KLController(0.1, target=6.0, horizon=100).update(kl=12.0, rows=10)
        0.102
        """
        if self.target:
            error = min(max(kl / self.target - 1, -_LARGEST_KL_ERROR), _LARGEST_KL_ERROR)
            self.coef *= 1 + error * rows / self.horizon
        return self.coef
