"""Reward models: `run_reward_model(config, out)` learns from pairs which of two answers is preferred.

TRL trains a causal trunk with one number on top, read at the last token of prompt and answer (Stiennon et al.
2020, section 3.4). run/model/ holds it as a plain sequence classifier, an adapter merged into its base; the
reward `reward_model` takes the run. Left out: a chat template around what was asked; a preference file holds
prompts as the policy reads them.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tools.errors import TrainingError
from tools.files import atomic_folder
from training.base_models import load_scorer, quiet_unless_watched
from training.lora import with_lora
from training.preferences import Pair, load_pairs, split_pairs
from training.processes import Processes
from training.report import write_report
from training.run_directory import RunDirectory
from training.supervised_config import RewardModelConfig
from training.supervised_run import Evaluation, SupervisedRun, batches, quiet_trainer

_TOLD = {"loss": "loss", "accuracy": "accuracy", "margin": "margin", "mean_reward": "reward"}


def run_reward_model(config: RewardModelConfig, out: Path, resume: bool = False) -> Path:
    """Train, or go on after the newest checkpoint, and write the run directory `out`; returns it.

    Raises SouschefError for a model, data or directory that cannot be used.
    """
    import torch

    processes = Processes()
    run = RunDirectory(out, config, processes)
    train, held_out = _pairs(config)
    torch.manual_seed(config.seed)  # the new head is drawn at random
    base, tokenizer = load_scorer(config.model, "", config.precision if config.lora_rank else "fp32")
    model = with_lora(base, config, "SEQ_CLS")
    longest = min(config.max_tokens, base.config.get_text_config().max_position_embeddings)
    run.open(resume=resume)
    supervised = SupervisedRun(config, run, processes, model)
    supervised.learn(
        columns(train, tokenizer, longest),
        _trainer(tokenizer),
        {"center_rewards_coefficient": config.center_rewards or None},
        _TOLD,
        lambda: evaluate(model, tokenizer, columns(held_out, tokenizer, longest), config.eval_batch_size),
    )
    if processes.is_main:
        _save(run.path / "model", model, tokenizer)
        write_report(run.path)
    processes.wait()
    return run.path


def columns(pairs: Sequence[Pair], tokenizer: Any, max_tokens: int) -> list[dict[str, list[int]]]:
    """Pairs as RewardTrainer reads them: prompt, answer and end token; a long one loses its beginning."""
    tokenizer.truncation_side = "left"

    def ids(pair: Pair, answer: str) -> list[int]:
        text = pair.prompt + answer + tokenizer.eos_token
        found: list[int] = tokenizer(text, truncation=True, max_length=max_tokens).input_ids
        return found

    return [{"chosen_ids": ids(p, p.chosen), "rejected_ids": ids(p, p.rejected)} for p in pairs]


def evaluate(model: Any, tokenizer: Any, rows: Sequence[dict[str, list[int]]], batch_size: int) -> Evaluation:
    """Share of pairs whose chosen answer scores higher, and the mean difference, over these pairs."""
    import torch
    from trl.trainer.reward_trainer import DataCollatorForPreference

    model.eval()
    margins: list[float] = []
    for batch in batches(rows, batch_size):
        inputs = DataCollatorForPreference(tokenizer.pad_token_id)(list(batch))
        with torch.inference_mode():
            logits = model(**{name: tensor.to(model.device) for name, tensor in inputs.items()}).logits
        chosen, rejected = logits.float()[:, 0].chunk(2)
        margins += (chosen - rejected).tolist()
    if not margins:
        return {"n": 0}
    right = sum(margin > 0 for margin in margins)
    return {"n": len(margins), "accuracy": right / len(margins), "margin": sum(margins) / len(margins)}


def _pairs(config: RewardModelConfig) -> tuple[list[Pair], list[Pair]]:
    pairs = load_pairs(config.data)
    if not config.eval_data:
        return split_pairs(pairs, config.eval_rows, config.seed)
    held_out = load_pairs(config.eval_data)
    prompts = {pair.prompt for pair in held_out}
    train = [pair for pair in pairs if pair.prompt not in prompts]
    if not train:
        raise TrainingError("Every prompt of data is in eval_data too: name other data to train on.")
    return train, held_out


def _trainer(tokenizer: Any) -> Callable[..., Any]:
    def make(model: Any, dataset: Any, arguments: dict[str, Any], optimizers: Any, callback: Any) -> Any:
        from trl.trainer.reward_config import RewardConfig
        from trl.trainer.reward_trainer import RewardTrainer

        trainer = quiet_trainer(
            RewardTrainer,
            model=model,
            args=RewardConfig(**arguments),
            train_dataset=dataset,
            processing_class=tokenizer,
            optimizers=optimizers,
        )
        trainer.add_callback(callback)
        return trainer

    return make


def _save(folder: Path, model: Any, tokenizer: Any) -> None:
    """The model as transformers has it, in a folder that appears whole."""
    with quiet_unless_watched(), atomic_folder(folder) as part:
        plain = model.merge_and_unload() if hasattr(model, "peft_config") else model
        plain.save_pretrained(part)
        tokenizer.save_pretrained(part)
