"""`souschef eval summaries FILE`: policies and baselines on articles with reference summaries."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.commands.eval_options import EvalOptions, check_names, conclude, engine_options, eval_options
from tools.errors import SouschefError

if TYPE_CHECKING:
    from agent.evaluation.runs import Metrics

_SHOWN = ("rouge1", "rouge2", "rougeL", "words", "copied")


def _counts(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(count) for count in value.split(",")) if value else ()
    except ValueError as error:
        raise click.BadParameter("give numbers with commas between them, such as 0,1,3.") from error


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--policy", "policies", multiple=True, metavar="NAME|RUN", help="What writes; repeatable.")
@click.option("--shots", callback=_counts, metavar="N,...", help="Numbers of examples to show --model.")
@click.option(
    "--shots-from", type=click.Path(path_type=Path), metavar="FILE", help="Take the examples from here."
)
@click.option("--nli", metavar="MODEL", help="Judge faithfulness by this NLI classifier.")
@click.option("--toxicity", metavar="MODEL", help="Judge toxicity by this classifier.")
@click.option("--toxicity-label", metavar="LABEL", help="Its label for toxic text, where it is no usual one.")
@engine_options
@eval_options
def summaries(
    file: Path,
    policies: tuple[str, ...],
    shots: tuple[int, ...],
    shots_from: Path | None,
    nli: str | None,
    toxicity: str | None,
    toxicity_label: str | None,
    model: str | None,
    base_url: str | None,
    options: EvalOptions,
) -> None:
    """Judge summaries of the articles in FILE by ROUGE, length, repetition and copying.

    FILE is JSONL, CSV, TSV or Parquet with a column article (or document, dialogue, text) and a column
    summary (or highlights, reference, target). lead-3 and random-3 always stand beside the policies.

    Examples:

    \b
      souschef eval summaries articles.jsonl --limit 100
      souschef eval summaries articles.jsonl --policy smollm2-135m --policy runs/ppo-summaries
      souschef eval summaries articles.jsonl --shots 0,1,3
    """
    from agent.evaluation.summaries import METRIC_NAMES, evaluate_summaries

    check_names({name.rpartition(".")[2]: 0 for name in options.minimums}, METRIC_NAMES)
    evaluation = evaluate_summaries(
        file,
        policies=policies,
        shots=shots,
        shots_from=shots_from,
        model=model,
        base_url=base_url,
        nli=nli,
        toxicity=toxicity,
        toxicity_label=toxicity_label,
        limit=options.limit,
        **options.run,
    )
    _warn(evaluation.metrics)
    if not options.as_json:
        _show_differences(evaluation.metrics.extra["differences"])
    conclude(evaluation, options)
    _refuse_silence(evaluation.metrics)


def _warn(metrics: "Metrics") -> None:
    for name, failed in metrics.extra["failures"].items():
        click.echo(
            f"{name} failed on {failed['count']} of {metrics.n} articles: {failed['first_error']}", err=True
        )


def _refuse_silence(metrics: "Metrics") -> None:
    """A policy that wrote nothing at all was not judged; its error says what to mend."""
    for name, failed in metrics.extra["failures"].items():
        if failed["count"] == metrics.n:
            raise SouschefError(
                f"{name} wrote no summary at all; mend this and begin again with another --out: "
                f"{failed['first_error']}"
            )


def _show_differences(differences: dict[str, dict[str, Any]]) -> None:
    """A table on stdout: each policy less each one before it."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("policy", "less", *_SHOWN, title="Paired differences (* more than noise)", box=None)
    for policy, found in differences.items():
        for other, by_metric in found.items():
            cells = [_cell(by_metric.get(name)) for name in _SHOWN]
            table.add_row(escape(policy), escape(other), *cells)
    Console().print(table)


def _cell(difference: Mapping[str, Any] | None) -> str:
    if difference is None:
        return "-"
    return f"{difference['mean']:+.3f}{'*' * difference['more_than_noise']}"
