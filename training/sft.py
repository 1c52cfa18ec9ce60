"""Supervised fine-tuning: `run_sft(config, out)` teaches a causal language model by imitation, with TRL.

The loss is on completions alone, the end token included. What it leaves is a run directory like PPO's: the
policy in it is what `souschef summarize --policy` loads, and what a PPO run may start from. Left out: what
TRL can do to rows; they come tokenised, so that training and use show the model the same tokens.
"""

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from training.base_models import original_base, quiet_unless_watched
from training.data import check_room
from training.lora import load_to_train
from training.policy_folder import save_policy
from training.processes import Processes
from training.products import quick_products
from training.report import write_report
from training.run_directory import RunDirectory
from training.supervised_config import SFTConfig
from training.supervised_data import Example, Examples, load_examples
from training.supervised_run import Evaluation, SupervisedRun, batches, quiet_trainer

_TOLD = {"loss": "loss", "mean_token_accuracy": "token_accuracy", "entropy": "entropy"}


def run_sft(config: SFTConfig, out: Path, resume: bool = False) -> Path:
    """Train, or go on after the newest checkpoint, and write the run directory `out`; returns it.

    Raises SouschefError for a model, data or directory that cannot be used.
    """
    processes = Processes()
    run = RunDirectory(out, config, processes)
    model, tokenizer = load_to_train(config)
    context = model.config.get_text_config().max_position_embeddings
    check_room(config.max_prompt_tokens, config.max_new_tokens, context, config.model)
    examples = load_examples(config, tokenizer)
    run.open(resume=resume)
    supervised = SupervisedRun(config, run, processes, model)
    base = model.get_base_model() if config.lora_rank else model
    quick = quick_products(base.get_decoder(), config.precision)
    with _scoring_completions_alone(), quick, _weighing_openings(model, config):
        supervised.learn(
            [example.columns() for example in examples.train],
            _trainer(tokenizer),
            {"dataset_kwargs": {"skip_prepare_dataset": True}},
            _TOLD,
            lambda: evaluate(model, tokenizer, examples.held_out, config.eval_batch_size),
        )
    _hand_over(run, processes, model, tokenizer, config, examples)
    if processes.is_main:
        write_report(run.path)
    return run.path


def evaluate(model: Any, tokenizer: Any, examples: Sequence[Example], batch_size: int) -> Evaluation:
    """Mean loss in nats and share of tokens guessed right, over all completion tokens of these examples."""
    import torch

    loss, right, tokens = 0.0, 0, 0
    model.eval()
    by_length = sorted(examples, key=lambda example: len(example.prompt) + len(example.completion))
    for batch in batches(by_length, batch_size):
        inputs = collate([example.columns() for example in batch], tokenizer)
        labels = inputs.pop("labels")[:, 1:].to(model.device)  # (batch, length - 1): each token's next one
        inputs = {name: tensor.to(model.device) for name, tensor in inputs.items()}
        scored = (labels != -100).any(0).nonzero()[:, 0]  # places where a row has its completion
        with torch.inference_mode():
            logits = model(**inputs, logits_to_keep=scored).logits  # (batch, scored, vocabulary)
        labels = labels[:, scored]
        written = labels != -100
        logits, labels = logits[written].float(), labels[written]  # (tokens, vocabulary), (tokens,)
        loss += float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"))
        right += int((logits.argmax(-1) == labels).sum())
        tokens += len(labels)
    if not tokens:
        return {"n": 0}
    return {"n": len(examples), "tokens": tokens, "loss": loss / tokens, "token_accuracy": right / tokens}


def collate(rows: Sequence[Any], tokenizer: Any) -> dict[str, Any]:
    """A batch as the trainer makes it: input_ids, labels and attention_mask, each (rows, longest)."""
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    batch: dict[str, Any] = DataCollatorForLanguageModeling(tokenizer.pad_token_id)(list(rows))
    return batch


def _trainer(tokenizer: Any) -> Callable[..., Any]:
    def make(model: Any, dataset: Any, arguments: dict[str, Any], optimizers: Any, callback: Any) -> Any:
        from trl.trainer.sft_config import SFTConfig as TRLConfig
        from trl.trainer.sft_trainer import SFTTrainer

        return quiet_trainer(
            SFTTrainer,
            model=model,
            args=TRLConfig(**arguments),
            train_dataset=dataset,
            processing_class=tokenizer,
            optimizers=optimizers,
            callbacks=[callback],
        )

    return make


@contextmanager
def _scoring_completions_alone() -> Iterator[None]:
    """Within it TRL computes the vocabulary's logits at completions alone on a CPU too, as it does on GPUs.

    It takes every position where it has no Triton, for the sake of compilers that want fixed shapes; here the
    prompts' logits would cost more than the rest of a small model.
    """
    utils: Any = importlib.import_module("trl.trainer.utils")
    known = getattr(utils, "_use_triton", None)
    if known is None:
        yield
        return
    utils._use_triton = lambda _: True
    try:
        yield
    finally:
        utils._use_triton = known


@contextmanager
def _weighing_openings(model: Any, config: SFTConfig) -> Iterator[None]:
    """Within it the loss of a completion's first tokens counts as much as the config says.

    One token among forty may decide all that follows, such as which tool is called, and learns little else.
    """

    def weigh(_model: Any, _inputs: Any, outputs: Any) -> None:
        logprobs = getattr(outputs, "log_probs", None)  # (rows, length - 1); no logits are asked for then
        if logprobs is not None:
            opening = outputs.label_mask & (outputs.label_mask.cumsum(1) <= config.opening_tokens)
            outputs.log_probs = logprobs + (config.opening_weight - 1) * logprobs * opening

    if not config.opening_tokens:
        yield
        return
    hook = model.register_forward_hook(weigh)
    try:
        yield
    finally:
        hook.remove()


def _hand_over(
    run: RunDirectory, processes: Processes, model: Any, tokenizer: Any, config: SFTConfig, examples: Examples
) -> None:
    if processes.is_main:
        with quiet_unless_watched():
            save_policy(
                run.path / "policy",
                model,
                tokenizer,
                name=config.name,
                base=original_base(config.model),
                template=examples.template,
                chat=examples.chat,
                max_text_tokens=examples.max_text_tokens,
                max_new_tokens=config.max_new_tokens,
            )
    processes.wait()
