"""The update of one PPO step: several epochs of shuffled mini-batches over its experience.

A mini-batch is one step of the optimizer; it is read in micro-batches of rows of like length, whose gradients
add up, so that padding and memory stay small whatever the mini-batch's size.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tools.errors import TrainingError
from training.config import PPOConfig
from training.experience import Experience, micro_batches
from training.ppo import approx_kl, policy_loss, value_loss

if TYPE_CHECKING:
    from torch import Tensor

    from training.policy import Policy
    from training.processes import Processes

_SUMS = ("policy_loss", "value_loss", "clipped", "value_clipped", "approx_kl", "ratio_max")
_ORDER = 1  # the stream of random numbers for the order of mini-batches, apart from those of rollouts


@dataclass
class Tally:
    """What was seen in an update: sums over tokens, and means over optimizer steps."""

    tokens: int = 0
    sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_SUMS, 0.0))
    grad_norms: list[float] = field(default_factory=list)
    epochs_done: int = 0
    policy_moves: bool = True

    def add(self, sums: "Tensor", tokens: int) -> None:
        self.tokens += tokens
        for name, value in zip(_SUMS[:-1], sums.tolist()[:-1], strict=True):
            self.sums[name] += value
        self.sums["ratio_max"] = max(self.sums["ratio_max"], float(sums[-1]))

    def metrics(self) -> dict[str, float]:
        """Means over tokens under the names of metrics.jsonl."""
        tokens = max(self.tokens, 1)
        means = {name: self.sums[name] / tokens for name in _SUMS[:-1]}
        means |= {"clip_fraction": means.pop("clipped"), "value_clip_fraction": means.pop("value_clipped")}
        norm = sum(self.grad_norms) / max(len(self.grad_norms), 1)
        done = {"grad_norm": norm, "epochs_done": self.epochs_done}
        if not self.policy_moves:  # in the value head's warm-up these are not known, which is not 0
            return {"value_loss": means["value_loss"], **done}
        return {**means, "ratio_max": self.sums["ratio_max"], **done}


class Update:
    """The optimizer and all that one step of PPO does to the policy's weights."""

    def __init__(self, policy: "Policy", config: PPOConfig, processes: "Processes") -> None:
        import torch

        self._policy, self._config, self._processes = policy, config, processes
        self.weights: Mapping[str, Tensor] = policy.trained()
        heads = [p for name, p in self.weights.items() if name.startswith("value_head.")]
        bodies = [p for name, p in self.weights.items() if not name.startswith("value_head.")]
        self._bodies = bodies
        self.optimizer: Any = torch.optim.AdamW(
            [{"params": bodies}, {"params": heads}], weight_decay=config.weight_decay, fused=True
        )

    def learn(self, experience: Experience, step: int) -> Tally:
        """All epochs over a batch; `step` counts from 0. Raises TrainingError where the loss is no number."""
        tally = Tally(policy_moves=not self._warms_up(step))
        self._set_learning_rates(step)
        for epoch in range(self._config.ppo_epochs):
            key = [self._config.seed, step, epoch, _ORDER]
            order = np.random.default_rng(key).permutation(len(experience.rows)).tolist()
            moved = sum(
                self._mini_batch(experience, order[at : at + self._config.mini_batch_size], step, tally)
                for at in range(0, len(order), self._config.mini_batch_size)
            )
            tally.epochs_done = epoch + 1
            if 0 < self._config.target_kl < moved / max(int(experience.mask.sum()), 1):
                break
        return tally

    def learning_rate(self, step: int) -> float:
        """The policy's learning rate; linear decay to zero as in [N] (arXiv 2403.17031)."""
        left = 1 - step / self._config.steps if self._config.lr_schedule == "linear" else 1.0
        return self._config.learning_rate * left

    def _warms_up(self, step: int) -> bool:
        """Whether only the value head learns, on a trunk that stands still (VC-PPO, arXiv 2503.01491)."""
        return step < self._config.value_warmup_steps

    def _set_learning_rates(self, step: int) -> None:
        body, head = self.optimizer.param_groups
        body["lr"] = self.learning_rate(step)
        own = self._config.value_learning_rate / self._config.learning_rate
        head["lr"] = body["lr"] * (own or 1.0)

    def _mini_batch(self, experience: Experience, rows: Sequence[int], step: int, tally: Tally) -> float:
        """One optimizer step; returns the approximate KL, summed over the mini-batch's tokens."""
        import torch

        tokens = max(int(experience.mask[rows].sum()), 1)
        mine = self._processes.share(rows)
        lengths = [len(experience.rows[row].prompt) + len(experience.rows[row].response) for row in mine]
        at_once = self._policy.tokens_at_once(self._config.micro_batch_tokens)
        seen = torch.zeros(len(_SUMS))
        values_only = self._warms_up(step)
        for batch in micro_batches(lengths, at_once):
            chosen = [mine[n] for n in batch]
            loss, sums = (self._value_loss if values_only else self._loss)(experience, chosen)
            (loss / tokens).backward()  # type: ignore[no-untyped-call]
            seen[:-1] += sums[:-1]
            seen[-1] = seen[-1].maximum(sums[-1])
        self._reduce(seen, not values_only)
        tally.add(seen, tokens)
        tally.grad_norms.append(self._step(step))
        return float(seen[_SUMS.index("approx_kl")])

    def _loss(self, experience: Experience, rows: Sequence[int]) -> "tuple[Tensor, Tensor]":
        """The summed loss of some rows, and what is watched, in the order of _SUMS."""
        import torch

        old = _Slices(experience, rows, self._policy.device)
        scored = self._policy.score(old.prompts, old.responses, self._config.temperature)
        clip, value_clip = self._config.clip_range, self._config.value_clip_range
        gain, clipped = policy_loss(scored.logprobs, old.logprobs, old.advantages, old.mask, clip)
        error, value_clipped = value_loss(scored.values, old.values, old.returns, old.mask, value_clip)
        moved = approx_kl(scored.logprobs, old.logprobs, old.mask).detach()
        ratio = ((scored.logprobs.detach() - old.logprobs) * old.mask).exp().max()
        watched = (gain, error, clipped, value_clipped, moved, ratio)
        return gain + self._config.vf_coef * error, torch.stack([w.detach().float().cpu() for w in watched])

    def _value_loss(self, experience: Experience, rows: Sequence[int]) -> "tuple[Tensor, Tensor]":
        """The value head's loss alone."""
        import torch

        old = _Slices(experience, rows, self._policy.device)
        values = self._policy.values(old.prompts, old.responses)
        error, _ = value_loss(values, old.values, old.returns, old.mask, math.inf)  # it has far to go
        watched = torch.zeros(len(_SUMS))
        watched[_SUMS.index("value_loss")] = error.detach()
        return self._config.vf_coef * error, watched  # weighted as later on: Adam remembers gradients' sizes

    def _reduce(self, seen: "Tensor", policy_moves: bool) -> None:
        """Add up gradients and figures over the processes; the largest ratio is the largest of all."""
        if self._processes.count == 1:
            return
        import torch

        for name, weight in self.weights.items():
            if weight.grad is None and (policy_moves or name.startswith("value_head.")):
                weight.grad = torch.zeros_like(weight)
        largest = max(self._processes.gather([float(seen[-1])]))
        self._processes.sum([w.grad for w in self.weights.values() if w.grad is not None])
        sums = seen[:-1].to(self._policy.device)
        self._processes.sum([sums])
        seen[:-1], seen[-1] = sums.cpu(), largest

    def _step(self, step: int) -> float:
        """Clip, move the weights, forget the gradients; returns the gradient's norm."""
        import torch

        if self._warms_up(step):
            for weight in self._bodies:
                weight.grad = None  # AdamW passes over what has none
        norm = float(torch.nn.utils.clip_grad_norm_(list(self.weights.values()), self._config.max_grad_norm))
        if not np.isfinite(norm):
            raise TrainingError(
                f"The gradient is no number any more at step {step + 1}: "
                "lower learning_rate, or raise kl_coef."
            )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return norm


class _Slices:
    """Some rows of an experience, as narrow as their longest response, on the policy's device."""

    def __init__(self, experience: Experience, rows: Sequence[int], device: Any) -> None:
        self.prompts = [experience.rows[row].prompt for row in rows]
        self.responses = [experience.rows[row].response for row in rows]
        width = max(map(len, self.responses))
        self.mask, self.logprobs, self.values, self.advantages, self.returns = (
            tensor[list(rows), :width].to(device)
            for tensor in (
                experience.mask,
                experience.logprobs,
                experience.values,
                experience.advantages,
                experience.returns,
            )
        )
