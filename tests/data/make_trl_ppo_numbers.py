"""Records in trl_ppo_numbers.json what the PPO of TRL 1.12 computes: its inputs and its outputs.

    python tests/data/make_trl_ppo_numbers.py VENV

VENV is a folder for TRL's own virtual environment, made where it is not there (1.13 has no PPO any more). In
it TRL trains a tiny random GPT-2 in float64 for two steps, and a trace function reads the local variables of
its running `train()` in the second step, where the policy has left its reference: the rollout when updates
begin, and each mini-batch when its figures are noted. So every number is one that TRL itself made.
"""

import json
import linecache
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

OUT = Path(__file__).with_name("trl_ppo_numbers.json")
REQUIREMENTS = ("trl==1.12", "torch>=2.10,<3", "transformers>=5,<6", "rich")
VOCABULARY, END, PADDING = 12, 10, 11
ROWS, PROMPT, RESPONSE, MINI_BATCHES, EPOCHS, STEPS = 6, 5, 9, 2, 2, 2
SETTINGS = {
    "kl_coef": 0.3,
    "cliprange": 0.1,
    "cliprange_value": 0.1,
    "gamma": 0.98,
    "lam": 0.9,
    "vf_coef": 0.1,
}
UPDATES_BEGIN = "b_inds = np.random.permutation("
MINI_BATCH_ENDS = "approxkl_stats[ppo_epoch_idx"
STEP_ENDS = "metrics = {}"
ROLLOUT = (
    "scores", "logprobs", "ref_logprobs", "values", "padding_mask", "padding_mask_p1", "sequence_lengths",
    "kl", "rewards", "advantages", "returns",
)  # fmt: skip
MINI_BATCH = (
    "micro_batch_inds", "new_logprobs", "vpred", "pg_loss", "pg_clipfrac", "vf_loss", "vf_clipfrac",
    "approxkl",
)  # fmt: skip
STEP = ("mean_kl", "mean_non_score_reward")


def main() -> None:
    if sys.argv[1:2] == ["--in-the-environment"]:
        OUT.write_text(json.dumps(recorded()) + "\n", encoding="utf-8")
        return
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    python = Path(sys.argv[1]) / "bin/python"
    if not python.exists():
        venv.create(sys.argv[1], with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
    subprocess.run([python, __file__, "--in-the-environment"], check=True)


def recorded() -> dict[str, Any]:
    """Settings, rollout, mini-batches and means of the last of TRL's steps."""
    import torch
    import trl

    seen: dict[str, Any] = {"trl": trl.__version__, "torch": torch.__version__.partition("+")[0]}
    seen |= {"settings": SETTINGS, "rollout": {}, "mini_batches": [], "step": {}}

    def note(line: str, variables: dict[str, Any]) -> None:
        if variables.get("update") != STEPS:
            return
        if line.startswith(UPDATES_BEGIN) and variables["ppo_epoch_idx"] == 0:
            seen["rollout"] = {name: variables[name].tolist() for name in ROLLOUT}
        elif line.startswith(MINI_BATCH_ENDS):
            seen["mini_batches"].append({name: variables[name].tolist() for name in MINI_BATCH})
        elif line.startswith(STEP_ENDS):
            seen["step"] = {name: variables[name].tolist() for name in STEP}

    with tempfile.TemporaryDirectory() as folder:
        trainer = tiny_trainer(Path(folder))
        sys.settrace(tracer(note))
        try:
            trainer.train()
        finally:
            sys.settrace(None)
    assert len(seen["mini_batches"]) == MINI_BATCHES * EPOCHS, "TRL's train() reads differently"
    return seen


def tracer(note: Callable[[str, dict[str, Any]], None]) -> Callable[..., Any]:
    """A trace function that hands on each line of PPOTrainer.train about to run, with its variables."""

    def in_train(frame: FrameType, event: str, _: object) -> Any:
        if event == "line":
            note(linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip(), frame.f_locals)
        return in_train

    def anywhere(frame: FrameType, _: str, __: object) -> Any:
        code = frame.f_code
        return in_train if code.co_name == "train" and code.co_filename.endswith("ppo_trainer.py") else None

    return anywhere


def tiny_trainer(folder: Path) -> Any:
    """TRL's trainer around random models that write short answers and learn in bounds."""
    import torch
    from transformers import GPT2Config, GPT2ForSequenceClassification, GPT2LMHeadModel, set_seed

    ppo, datasets = import_module("trl.experimental.ppo"), import_module("datasets")
    sizes: dict[str, Any] = {"n_positions": 32, "n_embd": 16, "n_layer": 1, "n_head": 2, "num_labels": 1}
    tokens: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "bos_token_id": END,
        "eos_token_id": END,
        "pad_token_id": PADDING,
    }
    size = GPT2Config(**sizes, **tokens, initializer_range=0.3)
    set_seed(0)  # numpy too, which shuffles the mini-batches
    torch.set_num_threads(1)
    policy = GPT2LMHeadModel(size).double()
    reward, value = (GPT2ForSequenceClassification(size).double() for _ in range(2))
    prompts = torch.randint(0, END, (ROWS * STEPS, PROMPT)).tolist()
    config = ppo.PPOConfig(
        output_dir=str(folder), report_to="none", disable_tqdm=True, save_strategy="no", use_cpu=True,
        bf16=False, gradient_checkpointing=False, seed=1, learning_rate=0.004, lr_scheduler_type="constant",
        per_device_train_batch_size=ROWS // MINI_BATCHES, gradient_accumulation_steps=MINI_BATCHES,
        num_mini_batches=MINI_BATCHES, num_ppo_epochs=EPOCHS, total_episodes=ROWS * STEPS,
        response_length=RESPONSE, temperature=1.0, stop_token_id=END, num_sample_generations=0, **SETTINGS,
    )  # fmt: skip
    rows = datasets.Dataset.from_dict({"input_ids": prompts})
    return ppo.PPOTrainer(config, tokenizer(), policy, None, reward, rows, value, eval_dataset=rows)


def tokenizer() -> Any:
    """A vocabulary of bare numbers, for TRL wants a tokenizer."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    make: Any = PreTrainedTokenizerFast
    words = {str(number): number for number in range(VOCABULARY)}
    return make(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="0")),
        eos_token=str(END), pad_token=str(PADDING), padding_side="left",
    )  # fmt: skip


if __name__ == "__main__":
    main()
