"""Fine-tuning of language models: SFT, rewards, PPO. Knows nothing of the agent."""
