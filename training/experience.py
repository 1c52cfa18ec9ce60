"""Experience: rollouts with their rewards, advantages and returns, as one PPO step learns from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from training.config import PPOConfig
from training.ppo import advantages_and_returns, token_rewards, whiten
from training.rollouts import Rollout, Sampling, generate, texts

if TYPE_CHECKING:
    from torch import Tensor

    from training.data import Prompt
    from training.policy import Policy
    from training.processes import Processes
    from training.rewards import CombinedReward


@dataclass(frozen=True)
class Told:
    """One row of a rollout on its way between processes: plain tensors, and what the reward said."""

    prompt: list[int]
    response: list[int]
    text: str
    finished: bool
    score: float
    parts: Mapping[str, float]
    logprobs: "Tensor"  # (response,) of the behaviour policy
    values: "Tensor"
    reference_logprobs: "Tensor"


@dataclass(frozen=True)
class Experience:
    """Rows of all processes; tensors are padded on the right, (rows, response), and zero there."""

    rows: Sequence[Told]
    mask: "Tensor"
    logprobs: "Tensor"
    values: "Tensor"
    reference_logprobs: "Tensor"
    rewards: "Tensor"
    advantages: "Tensor"
    returns: "Tensor"

    @property
    def kl(self) -> "Tensor":
        """The log-ratio of policy and reference, summed over each response: (rows,)."""
        return (self.logprobs - self.reference_logprobs).sum(1)


def gather_experience(
    policy: "Policy",
    prompts: "Sequence[Prompt]",
    reward: "CombinedReward",
    config: PPOConfig,
    processes: "Processes",
    *,
    step: int,
    kl_coef: float,
) -> Experience:
    """Continue a batch of prompts, judge what was written, and estimate advantages."""
    seeds = row_seeds(config.seed, step, len(prompts))
    mine = processes.share(prompts)
    rollout = generate(policy, [p.ids for p in mine], Sampling.of(config), processes.share(seeds))
    told = _tell(policy, mine, rollout, reward, config)
    # a value head that says nothing yet learns from the whole return (VC-PPO, arXiv 2503.01491)
    lam = 1.0 if step < config.value_warmup_steps else config.lam
    return _estimate(processes.gather(told), config, kl_coef, lam)


def row_seeds(seed: int, step: int, count: int) -> list[int]:
    """A seed for each row of a step: the same however rows are spread over processes, and after a restart."""
    return [int(word) for word in np.random.SeedSequence([seed, step]).generate_state(count, np.uint64)]


def _tell(
    policy: "Policy",
    prompts: "Sequence[Prompt]",
    rollout: Rollout,
    reward: "CombinedReward",
    config: PPOConfig,
) -> list[Told]:
    if not prompts:
        return []
    written = texts(policy, rollout)
    scores, parts = scored(reward, prompts, written)
    reference = reference_logprobs(policy, rollout, config)
    return [
        Told(*row)
        for row in zip(
            rollout.prompts,
            rollout.responses,
            written,
            rollout.finished,
            scores,
            parts,
            rollout.logprobs,
            rollout.values,
            reference,
            strict=True,
        )
    ]


def scored(
    reward: "CombinedReward", prompts: "Sequence[Prompt]", written: Sequence[str]
) -> tuple[list[float], list[dict[str, float]]]:
    """What a reward says of a text for each prompt, and what each of its parts says, unweighted."""
    columns = {"article": [p.row.article for p in prompts], "summary": [p.row.summary for p in prompts]}
    scores = reward([p.text for p in prompts], list(written), **columns)
    parts = [{name: said[row] for name, said in reward.parts.items()} for row in range(len(scores))]
    return scores, parts


def reference_logprobs(
    policy: "Policy", rollout: Rollout, config: PPOConfig, temperature: float | None = None
) -> "list[Tensor]":
    """The reference policy's log-probabilities of what was written: (response,) a row."""
    lengths = [len(p) + len(r) for p, r in zip(rollout.prompts, rollout.responses, strict=True)]
    found: list[Tensor | None] = [None] * len(lengths)
    for rows in micro_batches(lengths, policy.tokens_at_once(config.micro_batch_tokens)):
        padded = policy.reference_logprobs(
            [rollout.prompts[row] for row in rows],
            [rollout.responses[row] for row in rows],
            (config.temperature if temperature is None else temperature) or 1.0,
        ).cpu()
        for row, logprobs in zip(rows, padded, strict=True):
            found[row] = logprobs[: len(rollout.responses[row])]
    return [logprobs for logprobs in found if logprobs is not None]


def micro_batches(lengths: Sequence[int], tokens_at_once: int) -> list[list[int]]:
    """Rows to read together, of like length, so that little is read but padding: at least one row each.

    >>> micro_batches([5, 9, 2, 8], tokens_at_once=18)
    [[1, 3], [0, 2]]
    """
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= tokens_at_once:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def _estimate(rows: list[Told], config: PPOConfig, kl_coef: float, lam: float) -> Experience:
    import torch
    from torch.nn.utils.rnn import pad_sequence

    logprobs, values, reference = (
        pad_sequence([getattr(row, name) for row in rows], batch_first=True)
        for name in ("logprobs", "values", "reference_logprobs")
    )
    lengths = torch.tensor([len(row.response) for row in rows])
    mask = torch.arange(logprobs.shape[1]) < lengths[:, None]
    penalties = torch.tensor([0.0 if row.finished else config.missing_eos_penalty for row in rows])
    scores = torch.tensor([row.score for row in rows]) - penalties
    rewards = token_rewards(scores, logprobs, reference, mask, kl_coef)
    advantages, returns = advantages_and_returns(rewards, values, mask, config.gamma, lam)
    if config.whiten_advantages:
        advantages = whiten(advantages, mask)
    return Experience(rows, mask, logprobs, values, reference, rewards, advantages, returns)
