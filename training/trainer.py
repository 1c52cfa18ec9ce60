"""A PPO run from its config to a policy that others can load: `PPOTrainer(config, out).train()`.

A run directory is all it leaves behind: the config before the first step, metrics line by line, checkpoints
to go on from, the policy, and a report. Numbers that depend on the clock are kept apart (timing.jsonl): two
runs with one seed write the same metrics. The steps themselves are in experience.py and update.py.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.errors import TrainingError
from tools.text_metrics import repetition
from training.checkpoints import State, load_newest, load_weights, save_checkpoint
from training.config import PPOConfig
from training.experience import Experience, gather_experience
from training.memory import keep_freed_memory
from training.ppo import KLController, explained_variance
from training.processes import Processes
from training.run_directory import RunDirectory
from training.update import Update

if TYPE_CHECKING:
    from training.combined_reward import CombinedReward
    from training.data import Row
    from training.policy import Policy
    from training.rewards import Reward
    from training.watching import Progress

Metrics = dict[str, float]


class PPOTrainer:
    """One run of PPO; policy, rows and reward come from the config unless they are given."""

    def __init__(
        self,
        config: PPOConfig,
        out: Path,
        *,
        policy: "Policy | None" = None,
        reward: "Reward | None" = None,
        rows: "tuple[Sequence[Row], Sequence[Row]] | None" = None,
    ) -> None:
        """`rows` are those to train on and those held out. SouschefError where something is missing."""
        from training.data import PromptMaker, check_room
        from training.policy import Policy
        from training.prompt_batches import PromptBatches, template
        from training.rewards import build_rewards

        self.config, self.processes = config, Processes()
        if self.processes.device.type == "cpu":
            keep_freed_memory()
        self.run = RunDirectory(out, config, self.processes)
        train, self._held_out = rows or _load_rows(config)
        device = str(self.processes.device)
        self.reward = _combined(reward) or build_rewards(config.rewards, device=device)
        self.policy = policy or Policy.load(config, self.processes.device)
        check_room(config.max_prompt_tokens, config.max_new_tokens, self.policy.context_tokens, config.model)
        self._template = template(config.prompt)
        self._maker = PromptMaker(
            self.policy.tokenizer,
            self._template,
            config.max_prompt_tokens,
            min_prompt_tokens=config.min_prompt_tokens,
            over_long=config.over_long,
            chat=self._chat,
        )
        self.prompts = PromptBatches(train, self._maker, config.seed)
        made = (self._maker.make(row, config.seed) for row in self._held_out)
        self._held_out_prompts = [prompt for prompt in made if prompt is not None]
        self._train_rows = train
        self._update = Update(self.policy, config, self.processes)
        horizon = config.kl_horizon or max(1, config.steps * config.batch_size // 10)
        self._kl = KLController(config.kl_coef, config.kl_target, horizon)

    @property
    def _chat(self) -> bool:
        return self.policy.tokenizer.chat_template is not None

    def train(self, *, resume: bool = False) -> Path:
        """Run, or go on after the newest checkpoint, to the end; returns the run directory."""
        from training.data import split_record
        from training.watching import Progress, RunLog

        progress = Progress(self.config.steps, active=self.processes.is_main)
        self.run.open(resume=resume)
        self.run.keep("split.json", split_record(self._train_rows, self._held_out, self.config.seed))
        state = load_newest(self.run.checkpoints, self._update.weights, self._update.optimizer)
        before = self._before(progress, started=state is not None)
        state = state or State(0, self.config.kl_coef)
        self._kl.coef = state.kl_coef
        log = RunLog(self.run.path, active=self.processes.is_main)
        log.truncate_after(state.step)
        progress.go_on_after(state.step)
        with progress, log:
            for step in range(state.step, self.config.steps):
                if self._is_past_its_best(state):
                    break
                metrics, timing = self.step(step)
                log.append(metrics, timing)
                progress.update(metrics, timing)
                state = self._checkpoint(state, step + 1, progress)
        self._go_back_to_best(state)
        self._finish(before, progress)
        return self.run.path

    def step(self, step: int) -> tuple[Metrics, Metrics]:
        """One batch of rollouts and what is learned from it: metrics, and seconds; `step` counts from 0."""
        started = time.perf_counter()
        prompts = self.prompts.batch(step, self.config.batch_size)
        kl_coef = self._kl.coef
        experience = gather_experience(
            self.policy, prompts, self.reward, self.config, self.processes, step=step, kl_coef=kl_coef
        )
        rolled_out = time.perf_counter()
        tally = self._update.learn(experience, step)
        if step >= self.config.value_warmup_steps:  # before, policy and reference are the same
            self._kl.update(float(experience.kl.mean()), len(experience.rows))
        ended = time.perf_counter()
        metrics = {"step": step + 1, **_told(experience), "kl_coef": kl_coef, **tally.metrics()}
        metrics["learning_rate"] = self._update.learning_rate(step)
        tokens = sum(len(row.prompt) + len(row.response) for row in experience.rows)
        timing = {
            "step": step + 1,
            "seconds": ended - started,
            "rollout_s": rolled_out - started,
            "update_s": ended - rolled_out,
            "tokens_per_s": tokens / (ended - started),
            "processes": self.processes.count,
        }
        return metrics, timing

    def _checkpoint(self, last: State, done: int, progress: "Progress") -> State:
        """Keep what this step has come to, where one is due; the newest state that is kept."""
        if done % self.config.checkpoint_every and done != self.config.steps:
            return last
        state = State(done, self._kl.coef, last.validated)
        if self.config.early_stopping:
            reward = self._held_out_reward()
            state = replace(state, validated=(*last.validated, (done, reward)))
            progress.say(f"Step {done}: held-out reward {reward:.3f}, the best is that of step {state.best}.")
        if self.processes.is_main:
            save_checkpoint(self.run.checkpoints, self._update.weights, self._update.optimizer, state)
        self.processes.wait()
        return state

    def _is_past_its_best(self, state: State) -> bool:
        return 0 < self.config.early_stopping <= state.since_best

    def _go_back_to_best(self, state: State) -> None:
        """Hand over the checkpoint that did best on held-out rows, where they were asked."""
        if state.best is not None:
            load_weights(self.run.checkpoints, self._update.weights, state.best)
            self.run.write("validation.json", {"held_out_reward": state.validated, "best_step": state.best})

    # ---- before and after

    def _before(self, progress: "Progress", *, started: bool) -> list[Any]:
        """What the start policy does on held-out rows; read again where the run has gone on since."""
        from training.evaluation import results_from_json, results_to_json

        kept = self.run.read_lines("evaluation_before.jsonl")
        if kept is not None:
            return results_from_json(kept)
        if started:
            raise TrainingError(
                f"{self.run.path} has checkpoints but not what the start policy did "
                "(evaluation_before.jsonl): begin again with another --out."
            )
        progress.say(f"Judging the start policy on {len(self._held_out_prompts)} held-out rows ...")
        results = self._evaluate(self.config)
        self.run.write_lines("evaluation_before.jsonl", results_to_json(results))
        return results

    def _evaluate(self, config: PPOConfig) -> list[Any]:
        from training.evaluation import evaluate

        mine = self.processes.share(self._held_out_prompts)
        return self.processes.gather(evaluate(self.policy, mine, self.reward, config))

    def _held_out_reward(self) -> float:
        """The mean reward on held-out rows at the lowest of `eval_temperatures`."""
        lowest = (min(self.config.eval_temperatures),)
        found = self._evaluate(replace(self.config, eval_temperatures=lowest))
        rewards: list[float] = [row.reward for (row,) in found]
        return sum(rewards) / max(1, len(rewards))

    def _finish(self, before: list[Any], progress: "Progress") -> None:
        """The policy first, then what it does on held-out rows, and the report."""
        from training.evaluation import before_and_after, samples
        from training.report import write_report

        if self.processes.is_main:
            self._hand_over(progress)
        progress.say(f"Judging the end policy on {len(self._held_out_prompts)} held-out rows ...")
        after = self._evaluate(self.config)
        if self.processes.is_main:
            if after:
                prompts = self._held_out_prompts
                self.run.write("evaluation.json", before_and_after(before, after, prompts, self.reward))
                self.run.write_lines("samples.jsonl", samples(before, after, prompts))
            write_report(self.run.path)
        self.processes.wait()

    def _hand_over(self, progress: "Progress") -> None:
        """Write policy/; an adapter to a GGUF also for llama.cpp, which runs such a base much faster."""
        from training.base_models import base_path, original_base
        from training.gguf_export import export_gguf
        from training.policy_folder import save_policy

        base = original_base(self.config.model)
        save_policy(
            self.run.path / "policy",
            self.policy.model,
            self.policy.tokenizer,
            name=self.config.name,
            base=base,
            template=self._template,
            chat=self._chat,
            max_text_tokens=self._maker.max_text_tokens,
            max_new_tokens=self.config.max_new_tokens,
            value_head=self.policy.value_head,
        )
        if self.policy.is_adapter and base_path(base).suffix == ".gguf":
            try:
                export_gguf(self.run.path)
            except TrainingError as error:  # the policy is whole without; it runs in transformers
                progress.say(f"No GGUF was written: {error}")


def _combined(reward: "Reward | None") -> "CombinedReward | None":
    """A plain function as a sum of one reward; a sum as it is."""
    from training.combined_reward import CombinedReward, Part

    if reward is None or isinstance(reward, CombinedReward):
        return reward
    return CombinedReward([Part(getattr(reward, "__name__", "reward"), 1.0, reward)])


def _load_rows(config: PPOConfig) -> "tuple[list[Row], list[Row]]":
    """Rows to train on and held-out rows, never the same article on both sides."""
    from training.data import load_rows, split_rows, without_articles_of

    rows = load_rows(config.data, subset=config.data_subset, split=config.data_split)
    if not config.eval_data:
        return split_rows(rows, config.eval_rows, config.seed)
    others = load_rows(config.eval_data)
    held_out = (
        split_rows(others, config.eval_rows, config.seed)[1] if config.eval_rows < len(others) else others
    )
    return without_articles_of(rows, held_out), held_out


def _told(experience: Experience) -> Metrics:
    """What a batch of rollouts says, before anything is learned from it; means over rows or tokens."""
    rows = experience.rows
    rewards = [row.score for row in rows]
    mean = sum(rewards) / len(rows)
    parts = {f"reward/{name}": sum(row.parts[name] for row in rows) / len(rows) for name in rows[0].parts}
    return {
        "reward": mean,
        "reward_std": (sum((reward - mean) ** 2 for reward in rewards) / len(rows)) ** 0.5,
        **parts,
        "score": float(experience.rewards.sum(1).mean()),
        "kl": float(experience.kl.mean()),
        "entropy": -float(
            experience.logprobs.sum() / experience.mask.sum()
        ),  # of sampled tokens: an estimate
        "value_explained_variance": explained_variance(
            experience.values, experience.returns, experience.mask
        ),
        "response_tokens": sum(len(row.response) for row in rows) / len(rows),
        "eos_share": sum(row.finished for row in rows) / len(rows),
        "repetition": sum(repetition(row.text) for row in rows) / len(rows),
    }
