"""Rollouts: a batch of prompts is continued by the policy, with log-probabilities and values as they fall.

The whole batch is read at once, padded on the left, and grows with a cache of keys and values that never
copies what it holds; rows that have ended leave the batch. What the behaviour policy thought of its tokens is
noted while sampling, so that no second pass is needed. Each row draws from its own seed: neither the batch it
is in nor the number of processes changes what it says. Left out: beams.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from training.config import PPOConfig
from training.last_block import last_feed_forward_at

if TYPE_CHECKING:
    from torch import Tensor

    from training.policy import Policy


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn: temperature 0 is greedy. Log-probabilities are at the temperature, unfiltered."""

    max_new_tokens: int
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    @classmethod
    def of(cls, config: PPOConfig, temperature: float | None = None) -> "Sampling":
        """A run's sampling, at another temperature where one is given."""
        chosen = config.temperature if temperature is None else temperature
        return cls(config.max_new_tokens, chosen, config.top_k, config.top_p)


@dataclass(frozen=True)
class Rollout:
    """Prompts and what was written to each: tokens, and per token log-probability and value, (response,)."""

    prompts: list[list[int]] = field(default_factory=list)
    responses: list[list[int]] = field(default_factory=list)  # the end token included, where there is one
    logprobs: "list[Tensor]" = field(default_factory=list)
    values: "list[Tensor]" = field(default_factory=list)
    finished: list[bool] = field(default_factory=list)  # whether an end token was written


def generate(
    policy: "Policy", prompts: Sequence[Sequence[int]], sampling: Sampling, seeds: Sequence[int]
) -> Rollout:
    """Continue each prompt until its end token or the limit; no prompts are an empty rollout."""
    if not prompts:
        return Rollout()
    with policy.writing():
        tokens, logprobs, values = _generate(policy, prompts, sampling, seeds)
    ends = [_length(row, policy.end_tokens) for row in tokens]
    return Rollout(
        [list(prompt) for prompt in prompts],
        [row[:end] for row, end in zip(tokens, ends, strict=True)],
        [row[:end].cpu() for row, end in zip(logprobs, ends, strict=True)],
        [row[:end].cpu() for row, end in zip(values, ends, strict=True)],
        [row[end - 1] in policy.end_tokens for row, end in zip(tokens, ends, strict=True)],
    )


def texts(policy: "Policy", rollout: Rollout) -> list[str]:
    """What was written, as text without special tokens."""
    decoded: list[str] = policy.tokenizer.batch_decode(rollout.responses, skip_special_tokens=True)
    return decoded


def _generate(
    policy: "Policy", prompts: Sequence[Sequence[int]], sampling: Sampling, seeds: Sequence[int]
) -> tuple[list[list[int]], "Tensor", "Tensor"]:
    """Tokens (rows, new) as lists, log-probabilities and values (rows, new); noise after a row's end."""
    import torch

    rows, limit, device = len(prompts), sampling.max_new_tokens, policy.device
    draws = torch.from_numpy(np.stack([_uniform(seed, limit) for seed in seeds])).to(device)
    tokens = torch.full((rows, limit), policy.padding_token, device=device)
    logprobs, values = torch.zeros(rows, limit, device=device), torch.zeros(rows, limit, device=device)
    ends = torch.tensor(sorted(policy.end_tokens), device=device)
    writing = torch.arange(rows, device=device)  # the rows that have not ended
    reader = _Reader(policy, prompts, limit)
    hidden = reader.read_prompts()
    for position in range(limit):
        logits = policy.logits(hidden, sampling.temperature)  # (writing, vocabulary)
        token = _draw(logits, draws[writing, position], sampling)
        tokens[writing, position] = token
        logprobs[writing, position] = logits.log_softmax(-1).gather(1, token[:, None])[:, 0]
        values[writing, position] = policy.value(hidden)
        going_on = torch.isin(token, ends, invert=True)
        writing = writing[going_on]
        if position + 1 == limit or not len(writing):
            break
        hidden = reader.read(token[going_on], None if bool(going_on.all()) else going_on)
    return tokens.tolist(), logprobs, values


class _Reader:
    """Reads prompts, then a token a row, and returns the last hidden states: (rows, width)."""

    def __init__(self, policy: "Policy", prompts: Sequence[Sequence[int]], room: int) -> None:
        import torch

        from training.kv_cache import growing_cache

        self._trunk = policy.trunk
        width = max(map(len, prompts))
        padded = [[policy.padding_token] * (width - len(prompt)) + list(prompt) for prompt in prompts]
        self._ids = torch.tensor(padded, device=policy.device)
        lengths = torch.tensor([len(prompt) for prompt in prompts], device=policy.device)
        columns = torch.arange(width + room, device=policy.device)
        self._mask = (columns >= width - lengths[:, None]).long()  # what a row sees, when it gets there
        self._padded = bool((lengths < width).any())
        self._positions = lengths  # of the next token
        self._cache = growing_cache(width + room)

    def read_prompts(self) -> "Tensor":
        rows, width = self._ids.shape
        positions = (self._mask[:, :width].cumsum(1) - 1).clamp(min=0)
        row = self._positions.new_tensor(range(rows))
        with last_feed_forward_at(self._trunk, (row, row.new_full((rows,), width - 1))):
            return self._forward(self._ids, positions)

    def read(self, tokens: "Tensor", kept: "Tensor | None") -> "Tensor":
        """One more token a row; `kept` says which rows of the last time are still there."""
        if kept is not None:
            self._cache.batch_select_indices(kept.nonzero().squeeze(1))
            self._mask, self._positions = self._mask[kept], self._positions[kept]
        hidden = self._forward(tokens[:, None], self._positions[:, None])
        self._positions = self._positions + 1
        return hidden

    def _forward(self, ids: "Tensor", positions: "Tensor") -> "Tensor":
        seen = self._cache.get_seq_length() + ids.shape[1]
        output: Any = self._trunk(
            input_ids=ids,
            attention_mask=self._mask[:, :seen] if self._padded else None,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
        )
        last: Tensor = output.last_hidden_state[:, -1]
        return last


def _draw(logits: "Tensor", uniform: "Tensor", sampling: Sampling) -> "Tensor":
    """Tokens by inverting the cumulative distribution at a uniform number each: (rows,)."""
    if sampling.temperature == 0:
        return logits.argmax(-1)
    cumulative = _filtered(logits, sampling).double().softmax(-1).cumsum(-1)
    drawn = (cumulative < uniform[:, None] * cumulative[:, -1:]).sum(-1)
    return drawn.clamp(max=logits.shape[-1] - 1)


def _filtered(logits: "Tensor", sampling: Sampling) -> "Tensor":
    from transformers import TopKLogitsWarper, TopPLogitsWarper

    nothing: Any = None  # what was written so far, which neither filter looks at
    if sampling.top_k:
        logits = TopKLogitsWarper(sampling.top_k)(nothing, logits)
    if sampling.top_p < 1:
        logits = TopPLogitsWarper(sampling.top_p)(nothing, logits)
    return logits


def _uniform(seed: int, count: int) -> "np.ndarray[Any, np.dtype[np.float64]]":
    return np.random.default_rng(seed).random(count)


def _length(tokens: Sequence[int], ends: frozenset[int]) -> int:
    """Tokens up to and with the first end token.

    >>> _length([5, 7, 0, 9], frozenset({0}))
    3
    """
    return next((n for n, token in enumerate(tokens, 1) if token in ends), len(tokens))
