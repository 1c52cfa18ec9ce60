"""What every evaluation's command shares: its options, and the end of it.

A command takes the options as one value, and gives what it found to `conclude`, which prints it and holds it
against each --min.
"""

import json
import math
import os
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import click

from agent.commands.stopping import saying_how_to_go_on
from tools.errors import SouschefError, UsageError

if TYPE_CHECKING:
    from agent.evaluation.runs import Evaluation, Metrics

_NAMES_SHOWN = 30


class RunOptions(TypedDict):
    """What every evaluation takes under these names."""

    out: Path
    resume: bool
    seed: int
    workers: int


@dataclass(frozen=True)
class EvalOptions:
    """The options of a run; `out` is always a folder."""

    out: Path
    resume: bool
    limit: int | None
    seed: int
    workers: int
    as_json: bool
    minimums: Mapping[str, float]

    @property
    def run(self) -> RunOptions:
        return {"out": self.out, "resume": self.resume, "seed": self.seed, "workers": self.workers}


def eval_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that every evaluation takes; the command gets them as `options`."""

    @click.option(
        "--out", type=click.Path(path_type=Path), help="The folder to write [default: runs/eval-NAME-TIME]."
    )
    @click.option("--resume", is_flag=True, help="Go on with the evaluation in --out.")
    @click.option("--limit", type=click.IntRange(1), help="Judge only so many cases, drawn by --seed.")
    @click.option("--seed", type=int, default=0, show_default=True)
    @click.option(
        "--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Cases at a time."
    )
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    @click.option(
        "--min",
        "minimums",
        multiple=True,
        metavar="METRIC=VALUE",
        help="Exit with 1 where the metric is lower; repeatable. A.B is metric B of A.",
    )
    @wraps(command)
    def with_options(
        *args: Any,
        out: Path | None,
        resume: bool,
        limit: int | None,
        seed: int,
        workers: int,
        as_json: bool,
        minimums: tuple[str, ...],
        **kwargs: Any,
    ) -> None:
        if resume and out is None:
            raise UsageError("--resume goes on with the evaluation in a folder: name it with --out.")
        name = click.get_current_context().info_name or "evaluation"
        options = EvalOptions(
            out or _new_folder(name), resume, limit, seed, workers, as_json, parse_minimums(minimums)
        )
        with saying_how_to_go_on(f"--out {options.out} --resume goes on after the finished cases"):
            command(*args, options=options, **kwargs)

    return with_options


def engine_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --model and --base-url; the command gets `model` (str or None) and `base_url`."""
    model = click.option(
        "--model", default=None, help="A model's name, a .gguf file, a folder, or openai/NAME."
    )
    base_url = click.option(
        "--base-url", default=None, help="Where the server of an openai/NAME model answers."
    )
    return model(base_url(command))


def parse_minimums(given: Collection[str], known: Collection[str] | None = None) -> dict[str, float]:
    """What --min asks for; raises UsageError for what is no METRIC=VALUE, and for names not in `known`."""
    minimums: dict[str, float] = {}
    for item in given:
        name, equals, value = item.rpartition("=")
        try:
            minimum = float(value)
        except ValueError:
            minimum = math.nan
        if not (name.strip() and equals and math.isfinite(minimum)):
            raise UsageError(f"--min {item} is no METRIC=VALUE: write it as --min route_accuracy=0.8.")
        minimums[name.strip()] = minimum
    if known is not None:
        check_names(minimums, known)
    return minimums


def check_names(minimums: Mapping[str, float], known: Collection[str]) -> None:
    """Raise UsageError for a --min whose metric is none of these; worth doing before a long run."""
    for name in minimums:
        if name not in known:
            shown = ", ".join(sorted(known)[:_NAMES_SHOWN])
            raise UsageError(f"--min {name}: there is no such metric here; there are {shown}.")


def conclude(evaluation: "Evaluation", options: EvalOptions) -> None:
    """Print what was found, then hold it against each --min: SouschefError where one is missed."""
    metrics = evaluation.metrics
    if options.as_json:
        click.echo(json.dumps(metrics.to_json(), ensure_ascii=False))
    else:
        _show(metrics)
        if evaluation.out is not None:
            click.echo(f"report   {evaluation.out / 'report.html'}")
            click.echo(f"metrics  {evaluation.out / 'metrics.json'}")
            click.echo(f"results  {evaluation.out / 'results.jsonl'}")
    check_minimums(metrics.metrics, options.minimums)


def check_minimums(metrics: Mapping[str, Any], minimums: Mapping[str, float]) -> None:
    """Raise SouschefError that names each metric below its minimum, UsageError for one that is not there."""
    found = flat(metrics)
    check_names(minimums, found)
    missed = [
        f"{name} is {'measured on no case' if found[name] is None else f'{found[name]:.4g}'}, "
        f"below its minimum of {minimum:g}"
        for name, minimum in minimums.items()
        if found[name] is None or found[name] < minimum
    ]
    if missed:
        raise SouschefError("; ".join(missed) + ".")


def flat(metrics: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested metrics by names with dots.

    >>> flat({"n": 3, "lead-3": {"rouge1": 0.4}})
    {'n': 3, 'lead-3.rouge1': 0.4}
    """
    found: dict[str, Any] = {}
    for name, value in metrics.items():
        found.update(
            flat(value, f"{before}{name}.") if isinstance(value, Mapping) else {before + name: value}
        )
    return found


def _show(metrics: "Metrics") -> None:
    """A table on stdout: a metric, its mean, its interval and how many cases it is of."""
    from rich.console import Console
    from rich.table import Table

    table = Table("metric", "mean", "95% interval", "n", box=None)
    means, intervals = flat(metrics.metrics), flat(metrics.intervals)
    for name, mean in means.items():
        low, high, n = (intervals.get(f"{name}.{key}") for key in ("low", "high", "n"))
        span = "" if low is None or high is None else f"{low:.3f} to {high:.3f}"
        table.add_row(name, "-" if mean is None else f"{mean:.3f}", span, "" if n is None else str(n))
    Console().print(table)


def _new_folder(name: str) -> Path:
    """A folder that no other run writes."""
    return Path("runs") / f"eval-{name}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
