"""`souschef summarize FILE|-`: the summarizer alone, without an agent."""

import json
from contextlib import closing
from pathlib import Path

import click

from agent.commands.texts import read_text


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--policy", default=None, help="What writes it: a model, or a training run.")
@click.option("--base-url", default=None, help="Where the server of an openai/NAME policy answers.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def summarize(file: Path, policy: str | None, base_url: str | None, as_json: bool) -> None:
    """Summarize FILE, a text of any length; "-" reads standard input."""
    text = read_text(file)

    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    from agent.engines import DEFAULT_MODEL
    from agent.policy import load_policy
    from tools.summarize import summarize as summarized

    columns = (
        SpinnerColumn(),
        TextColumn("Reading part"),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    shown = Console(stderr=True)
    bar = Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal)
    with closing(load_policy(policy or DEFAULT_MODEL, base_url=base_url)) as writer, bar:
        task = bar.add_task("", total=None)
        summary = summarized(text, writer, lambda done, known: bar.update(task, completed=done, total=known))
    if as_json:
        fields = {"summary": summary.text, "policy": summary.policy}
        numbers = {"input_tokens": summary.input_tokens, "chunks": summary.chunks}
        click.echo(json.dumps({**fields, **numbers}, ensure_ascii=False))
    else:
        click.echo(summary.text)
