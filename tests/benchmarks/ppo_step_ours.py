"""Our side of ppo_step.py, in a process of its own: `ppo_step_ours.py JOB.json RESULT.json`.

PPOTrainer's own step on the job's prompts, with a plain function as the reward. The model is first written to
a folder by another process, and loaded here as a user's would be. Where there is a GPU, the policy is on it.
"""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from training.combined_reward import CombinedReward, Part
from training.config import PPOConfig
from training.data import Prompt, Row
from training.policy import Policy
from training.prompt_batches import PromptBatches
from training.rollouts import Sampling, generate
from training.trainer import PPOTrainer


def main() -> None:
    if sys.argv[1] == "--write-model":
        write_model(json.loads(sys.argv[2]), Path(sys.argv[3]))
        return
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    Path(sys.argv[2]).write_text(json.dumps(measured(job)), encoding="utf-8")


def measured(job: dict[str, Any]) -> dict[str, Any]:
    """Seconds of each step and of a rollout alone, and the process's peak of memory."""
    import torch

    torch.set_num_threads(job["threads"])
    trainer = prepared(job)
    timings = []
    for step in range(job["steps"]):
        metrics, timing = trainer.step(step)
        if metrics["response_tokens"] != job["response_tokens"]:
            raise SystemExit(f"Answers of {metrics['response_tokens']} tokens: nothing to compare with.")
        timings.append(timing)
        print(f"  step {step + 1}: {timing['seconds']:.1f} s", file=sys.stderr, flush=True)
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    on_gpu = torch.cuda.is_available()
    return {
        "seconds": [timing["seconds"] for timing in timings],
        "generation_s": generation_s(trainer, job),
        "peak_bytes": 1024 * int(status.split("VmHWM:")[1].split()[0]),
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
        "device_peak_bytes": torch.cuda.max_memory_allocated() if on_gpu else 0,
    }


class SamePrompts(PromptBatches):
    """The same batch of prompts for each step, whatever rows the trainer was given."""

    def __init__(self, prompts: list[Prompt]) -> None:
        self._same = prompts

    def batch(self, step: int, size: int) -> list[Prompt]:  # noqa: ARG002 - the trainer's call
        return self._same


def prepared(job: dict[str, Any]) -> PPOTrainer:
    """A trainer whose batches are the job's prompts, and whose answers do not end before their length."""
    import torch

    rows = len(job["prompts"])
    config = PPOConfig(
        model=job["folder"],
        max_prompt_tokens=max(map(len, job["prompts"])),
        max_new_tokens=job["response_tokens"],
        steps=job["steps"],
        batch_size=rows,
        mini_batch_size=rows,
        ppo_epochs=job["epochs"],
        learning_rate=job["learning_rate"],
        precision=job["precision"],
        lora_rank=job["lora_rank"],
        lora_targets=tuple(job["lora_targets"]),
        checkpoint_every=job["steps"],
    )
    policy = Policy.load(config, torch.device("cuda") if torch.cuda.is_available() else None)
    policy.end_tokens = frozenset({-1})
    row = Row("0", "word", "word")
    reward = CombinedReward([Part("length", 1.0, length_reward)])
    trainer = PPOTrainer(config, Path(job["folder"]) / "run", policy=policy, reward=reward, rows=([row], []))
    prompts = [Prompt(replace(row, id=str(n)), "word", tuple(ids)) for n, ids in enumerate(job["prompts"])]
    trainer.prompts = SamePrompts(prompts)
    return trainer


def length_reward(prompts: list[str], completions: list[str], **_: Any) -> list[float]:
    """A plain function of the texts."""
    return [len(set(completion)) / 100 for _prompt, completion in zip(prompts, completions, strict=True)]


def generation_s(trainer: PPOTrainer, job: dict[str, Any]) -> float:
    """Seconds of one more rollout by itself: the whole rollout of a step also asks reference and reward."""
    sampling, seeds = Sampling.of(trainer.config), range(len(job["prompts"]))
    started = time.perf_counter()
    generate(trainer.policy, job["prompts"], sampling, seeds)
    return time.perf_counter() - started


def write_model(sizes: dict[str, Any], folder: Path) -> None:
    """A GPT-2 of random weights, and a tokenizer whose words are the numbers of the tokens."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config(**sizes)).save_pretrained(folder)
    make: Any = PreTrainedTokenizerFast
    words = models.WordLevel({str(n): n for n in range(sizes["vocab_size"])}, unk_token="0")
    tokenizer = Tokenizer(words)
    setattr(tokenizer, "pre_tokenizer", pre_tokenizers.Whitespace())  # noqa: B010 - an attribute without a type
    make(tokenizer_object=tokenizer, eos_token=str(sizes["vocab_size"] - 1)).save_pretrained(folder)


if __name__ == "__main__":
    main()
