"""What `train sft` and `train reward` have in common: TRL's trainer inside a run directory of this project.

Transformers' own checkpoints are pickles and are not written in one piece, so it writes none here. A run goes
over a fixed order of rows with an optimizer of ours and no dropout; a checkpoint (training/checkpoints.py, in
safetensors) therefore holds all there is, and going on means giving the trainer the rows that are left. Left
out: evaluation while training; there is one before and one after.
"""

import math
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from tools.errors import TrainingError
from training.checkpoints import State, load_newest, save_checkpoint
from training.processes import Processes
from training.run_directory import RunDirectory
from training.supervised_config import SupervisedConfig
from training.watching import RunLog

if TYPE_CHECKING:
    from transformers import TrainerCallback

Item = TypeVar("Item")
Columns = Mapping[str, Sequence[int]]
Evaluation = Mapping[str, float]


class SupervisedRun:
    """One run: a model with its trained weights, what it has learned from and where that is written down."""

    def __init__(self, config: SupervisedConfig, run: RunDirectory, processes: Processes, model: Any) -> None:
        import torch

        self.config, self.run, self.processes, self.model = config, run, processes, model
        if not getattr(model, "is_quantized", False):
            model.to(processes.device)
        self.weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self.optimizer = torch.optim.AdamW(
            self.weights.values(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    def learn(
        self,
        rows: Sequence[Columns],
        trainer: Callable[..., Any],
        arguments: Mapping[str, Any],
        told: Mapping[str, str],
        evaluate: Callable[[], Evaluation],
    ) -> None:
        """Train over the rows with `trainer(model, dataset, arguments, optimizers, callback)`.

        `told` maps the names of TRL's log to those of metrics.jsonl. What `evaluate` says before and after is
        written to evaluation.json. Raises TrainingError where the loss is no number any more.
        """
        before = self._before(evaluate)
        steps = self.config.steps or math.ceil(self.config.epochs * len(rows) / self.config.batch_size)
        state = load_newest(self.run.checkpoints, self.weights, self.optimizer)
        done = state.step if state else 0
        order = row_order(len(rows), steps * self.config.batch_size, self.config.seed)
        # inside a batch by length, so that a micro-batch is little padding
        left = [
            row
            for batch in batches(order[done * self.config.batch_size :], self.config.batch_size)
            for row in sorted((rows[n] for n in batch), key=lambda row: max(map(len, row.values())))
        ]
        is_main = self.processes.is_main
        with RunLog(self.run.path, active=is_main) as log, _bar(steps, done, shown=is_main) as moved:
            log.truncate_after(done)
            if left:
                note = _Note(self, log, told, done, steps, len(rows), moved)
                trainer(
                    self.model, _dataset(left), self._arguments(steps - done) | dict(arguments),
                    (self.optimizer, self._schedule(steps, done)), _callback(note),
                ).train()  # fmt: skip
        self.run.write("evaluation.json", {"before": dict(before), "after": dict(evaluate())})

    def _before(self, evaluate: Callable[[], Evaluation]) -> Evaluation:
        """What the model did at the start; asked again only where no run has asked yet."""
        name = "evaluation_before.jsonl"
        kept = self.run.read_lines(name)
        if kept is None:
            kept = [dict(evaluate())]
            self.run.write_lines(name, kept)
        first: Evaluation = kept[0]
        return first

    def _schedule(self, steps: int, done: int) -> Any:
        """Warm-up, then constant or linear to zero, as a factor of the learning rate; starts after `done`."""
        from torch.optim.lr_scheduler import LambdaLR

        def factor(step: int) -> float:
            rising = min(1.0, (done + step + 1) / (self.config.warmup_steps + 1))
            if self.config.lr_schedule == "constant":
                return rising
            return rising * max(0.0, 1 - (done + step) / steps)

        return LambdaLR(self.optimizer, factor)

    def _arguments(self, steps: int) -> dict[str, Any]:
        """Transformers' training arguments: quiet, local, no checkpoints, the rows in their order."""
        import torch

        together = self.config.micro_batch_size or self.config.batch_size
        together = max(1, min(together, self.config.batch_size // self.processes.count))
        if self.config.batch_size % (together * self.processes.count):
            raise TrainingError(
                f"batch_size {self.config.batch_size} cannot be shared by {self.processes.count} processes "
                f"in micro-batches of {together}: choose one that can."
            )
        return {
            "output_dir": str(self.run.checkpoints),
            "max_steps": steps,
            "per_device_train_batch_size": together,
            "gradient_accumulation_steps": self.config.batch_size // (together * self.processes.count),
            "max_grad_norm": self.config.max_grad_norm,
            "seed": self.config.seed,
            "train_sampling_strategy": "sequential",
            "bf16": self.config.precision == "bf16",
            "activation_checkpointing": False,
            "use_cpu": self.processes.device.type == "cpu",
            "dataloader_pin_memory": torch.cuda.is_available(),
            "save_strategy": "no",
            "logging_steps": 1,
            "logging_nan_inf_filter": False,
            "disable_tqdm": True,
            "report_to": "none",
            "push_to_hub": False,
            "max_length": None,
        }


class _Note:
    """Writes down each step when TRL has logged it: metrics, timing, and now and then a checkpoint."""

    def __init__(
        self, run: SupervisedRun, log: RunLog, told: Mapping[str, str], done: int, steps: int, rows: int,
        moved: Callable[[int, float], None],
    ) -> None:  # fmt: skip
        self._run, self._log, self._told, self._done, self._steps = run, log, told, done, steps
        self._rows, self._moved, self._since = rows, moved, time.perf_counter()

    def step(self, step: int, logged: Mapping[str, float]) -> None:
        """`step` counts from 1 in the trainer, which knows nothing of the steps before it."""
        step += self._done
        if not math.isfinite(logged["loss"]) or not math.isfinite(logged["grad_norm"]):
            raise TrainingError(
                f"The loss or its gradient is no number after step {step}: lower learning_rate and "
                "begin again with another --out."
            )
        config = self._run.config
        metrics = {name: float(logged[key]) for key, name in self._told.items()}
        metrics |= {"grad_norm": float(logged["grad_norm"]), "learning_rate": float(logged["learning_rate"])}
        epochs = step * config.batch_size / self._rows
        now = time.perf_counter()
        timing = {"step": step, "seconds": now - self._since}
        self._since = now
        self._log.append({"step": step, **metrics, "epochs_done": epochs}, timing)
        self._moved(step, metrics["loss"])
        if step % config.checkpoint_every == 0 or step == self._steps:
            if self._run.processes.is_main:
                state = State(step, kl_coef=0.0)
                save_checkpoint(self._run.run.checkpoints, self._run.weights, self._run.optimizer, state)
            self._run.processes.wait()


def row_order(rows: int, count: int, seed: int) -> list[int]:
    """The first `count` rows of an endless run over all of them, shuffled anew each time.

    >>> row_order(3, 7, seed=0)[:3], sorted(row_order(3, 6, seed=0)[3:])
    ([0, 2, 1], [0, 1, 2])
    """
    order: list[int] = []
    for epoch in range(math.ceil(count / rows)):
        order += random.Random(f"{seed} {epoch}").sample(range(rows), rows)
    return order[:count]


def batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """The items in their order, `size` at a time.

    >>> list(batches([1, 2, 3], 2))
    [[1, 2], [3]]
    """
    return (items[start : start + size] for start in range(0, len(items), size))


def quiet_trainer(trainer: Any, **arguments: Any) -> Any:
    """One of TRL's trainers, except that it tells nobody that it was used, and writes nothing to stdout."""
    from transformers import PrinterCallback

    class Quiet(trainer):  # type: ignore[misc]
        def _send_telemetry(self) -> None: ...

    made = Quiet(**arguments)
    made.remove_callback(PrinterCallback)
    return made


def _callback(note: _Note) -> "TrainerCallback":
    from transformers import TrainerCallback

    class Callback(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, **more: Any) -> None:  # noqa: ARG002
            if "loss" in more["logs"]:  # the last log is a summary without it
                note.step(state.global_step, more["logs"])

    return Callback()


def _dataset(rows: Sequence[Columns]) -> Any:
    from datasets import Dataset

    return Dataset.from_list([dict(row) for row in rows])


@contextmanager
def _bar(steps: int, done: int, *, shown: bool) -> Iterator[Callable[[int, float], None]]:
    """A bar on stderr with loss and time left, where somebody looks."""
    if not shown or not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich import progress as bars
    from rich.console import Console

    columns = (bars.TextColumn("step"), bars.BarColumn(), bars.MofNCompleteColumn())
    loss_column = bars.TextColumn("loss {task.fields[loss]:.3f}")
    console = Console(stderr=True)
    with bars.Progress(*columns, loss_column, bars.TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("training", total=steps, completed=done, loss=math.nan)
        yield lambda step, loss: bar.update(task, completed=step, loss=loss)
