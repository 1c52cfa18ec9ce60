"""`souschef eval compare A B`: two evaluations against each other, case by case."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from agent.evaluation.runs import Metrics


@click.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def compare(a: Path, b: Path, seed: int, as_json: bool) -> None:
    """Compare the evaluations in the folders A and B: B less A, paired by case.

    Says which differences are more than noise: their interval leaves out 0, and six cases or more differ.
    """
    from agent.evaluation.comparison import compare as compared

    metrics = compared(a, b, seed=seed).metrics
    if as_json:
        click.echo(json.dumps(metrics.to_json(), ensure_ascii=False))
    else:
        _show(metrics)


def _show(metrics: "Metrics") -> None:
    from rich.console import Console
    from rich.table import Table

    extra = metrics.extra
    table = Table("metric", "A", "B", "B - A", "95% interval", "n", "", box=None)
    for name, difference in metrics.metrics.items():
        interval = metrics.intervals[name]
        table.add_row(
            name,
            f"{extra['before'][name]:.3f}",
            f"{extra['after'][name]:.3f}",
            f"{difference:+.3f}",
            f"{interval['low']:+.3f} to {interval['high']:+.3f}",
            str(interval["n"]),
            "more than noise" if name in extra["more_than_noise"] else "",
        )
    Console().print(table)
    for name, (before, after) in extra["settings_that_differ"].items():
        click.echo(f"{name}: {json.dumps(before)} in A, {json.dumps(after)} in B")
    alone = extra["only_before"] + extra["only_after"]
    if alone:
        click.echo(f"{alone} cases were judged in one of the two only, and are left out.")
