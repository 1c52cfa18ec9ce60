"""The peer's side of ppo_step.py, in the peer's own environment: `ppo_step_peer.py JOB.json RESULT.json`.

TRL 1.12's PPOTrainer as fast as it goes in float32: the whole batch at once, no gradient checkpointing. Its
reward must be a module, and is a tiny one; its values come from a second model of the policy's size. The
token that pads lies beyond the vocabulary and TRL never embeds it, so that no answer ends before its length.
"""

import json
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        seconds = step_seconds(job, folder)
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak = 1024 * int(status.split("VmHWM:")[1].split()[0])
    Path(sys.argv[2]).write_text(json.dumps({"seconds": seconds, "peak_bytes": peak}), encoding="utf-8")


def step_seconds(job: dict[str, Any], folder: str) -> list[float]:
    """Seconds of each of TRL's steps, from the end of the one before."""
    import torch
    from transformers import TrainerCallback

    torch.set_num_threads(job["threads"])
    seconds: list[float] = []

    class Clock(TrainerCallback):
        def __init__(self) -> None:
            self.last = 0.0

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.last = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            now = time.perf_counter()
            seconds.append(now - self.last)
            self.last = now
            print(f"  step {len(seconds)}: {seconds[-1]:.1f} s", file=sys.stderr, flush=True)

    trainer(job, folder, Clock()).train()
    return seconds


def trainer(job: dict[str, Any], folder: str, clock: Any) -> Any:
    """TRL's trainer over the job's prompts, which are a batch of every step."""
    import torch
    from transformers import GPT2Config, GPT2ForSequenceClassification, GPT2LMHeadModel

    ppo, datasets = import_module("trl.experimental.ppo"), import_module("datasets")
    outside = job["model"]["vocab_size"]
    torch.manual_seed(0)
    sizes: dict[str, Any] = job["model"] | {"num_labels": 1}
    size = GPT2Config(**sizes)
    reward_size = GPT2Config(**sizes | {"n_embd": 8, "n_layer": 1, "n_head": 1})
    policy, value = GPT2LMHeadModel(size), GPT2ForSequenceClassification(size)
    rows, steps = len(job["prompts"]), job["steps"]
    config = ppo.PPOConfig(
        output_dir=folder, report_to="none", disable_tqdm=True, save_strategy="no", num_sample_generations=0,
        use_cpu=not torch.cuda.is_available(), bf16=False, gradient_checkpointing=False, seed=0,
        per_device_train_batch_size=rows, local_rollout_forward_batch_size=rows,
        gradient_accumulation_steps=1, num_mini_batches=1, num_ppo_epochs=job["epochs"],
        total_episodes=rows * steps, response_length=job["response_tokens"], temperature=1.0,
        learning_rate=job["learning_rate"],
    )  # fmt: skip
    data = datasets.Dataset.from_dict({"input_ids": job["prompts"]})
    return ppo.PPOTrainer(
        config, tokenizer(outside), policy, None, GPT2ForSequenceClassification(reward_size), data, value,
        eval_dataset=data, callbacks=[clock],
    )  # fmt: skip


def tokenizer(padding: int) -> Any:
    """Two words: TRL asks it for its special tokens and for its way of padding."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    make: Any = PreTrainedTokenizerFast
    words = models.WordLevel({"word": 0, "padding": padding}, unk_token="word")
    special = {"pad_token": "padding", "eos_token": "padding"}
    return make(tokenizer_object=Tokenizer(words), padding_side="left", **special)


if __name__ == "__main__":
    main()
