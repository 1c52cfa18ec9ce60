"""Fine-tuning of language models: SFT, rewards, PPO. Knows nothing of the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from training.config import PPOConfig

if TYPE_CHECKING:
    from training.rewards import Reward
    from training.trainer import PPOTrainer

__all__ = ["PPOConfig", "PPOTrainer", "Reward"]


def __getattr__(name: str) -> Any:
    # Imported when asked for, so that reading a config waits for none of it.
    if name == "PPOTrainer":
        from training.trainer import PPOTrainer

        return PPOTrainer
    if name == "Reward":
        from training.rewards import Reward

        return Reward
    raise AttributeError(f"module 'training' has no attribute {name!r}")
