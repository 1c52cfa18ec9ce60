"""`souschef eval preferences RUN CHOICES`: what a reader chose in a report, as data for `train reward`."""

import json
from dataclasses import asdict
from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("choices", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The JSONL file to write.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def preferences(run: Path, choices: Path, out: Path, as_json: bool) -> None:
    """Make preference pairs of the CHOICES saved from the report in RUN.

    \b
      souschef eval preferences runs/rag choices.json --out pairs.jsonl
      souschef train reward training/configs/reward_model.toml --set 'data=["pairs.jsonl"]'
    """
    from agent.evaluation.preferences import export_preferences

    made = export_preferences(run, choices, out)
    if as_json:
        click.echo(json.dumps({**asdict(made), "out": str(out)}))
    else:
        click.echo(
            f"{made.pairs} pairs in {out} ({made.ties} undecided and {made.same} equal answers left out)."
        )
