"""`souschef chat`: the terminal chat, or a script of its lines from a pipe."""

from pathlib import Path

import click

from tools.errors import UsageError


@click.command()
@click.option("--resume", metavar="ID", default=None, help="Go on with a session, by number or name.")
@click.option("--continue", "go_on", is_flag=True, help="Go on with the session that was used last.")
@click.option("--model", default=None, help="A model's name, a .gguf file, a folder, or openai/NAME.")
@click.option("--base-url", default=None, help="Where the server of an openai/NAME model answers.")
@click.option("--index", type=click.Path(path_type=Path), default=None, help="A recipe index of your own.")
@click.option("--policy", default=None, help="What writes summaries: a model, or a training run.")
@click.option("--context", type=click.IntRange(512), default=None, help="Context window, in tokens.")
@click.option("--no-tools", is_flag=True, help="Ask the model alone, without recipes or summaries.")
@click.option("--no-save", is_flag=True, help="Keep nothing of this chat.")
@click.option("--plain", is_flag=True, help="No colours and no layout.")
@click.option("--json", "as_json", is_flag=True, help="Read lines, print one JSON event per line.")
def chat(
    resume: str | None,
    go_on: bool,
    model: str | None,
    base_url: str | None,
    index: Path | None,
    policy: str | None,
    context: int | None,
    no_tools: bool,
    no_save: bool,
    plain: bool,
    as_json: bool,
) -> None:
    """Chat about cooking. /help lists what can be done; lines may also come from a pipe.

    Examples:

    \b
      souschef chat
      souschef chat --continue
      printf 'How do I make pesto?\\n/stats\\n' | souschef chat --plain
    """
    if resume and go_on:
        raise UsageError("--resume and --continue exclude each other: leave one out.")
    if policy and no_tools:
        raise UsageError("With --no-tools nothing summarizes: leave --policy out.")

    from agent.repl.options import DEFAULT_MODEL, Choice
    from agent.repl.start import Start, start

    choice = Choice(model or DEFAULT_MODEL, base_url, context, policy, index, not no_tools)
    code = start(Start(choice, resume, go_on, save=not no_save, plain=plain, as_json=as_json))
    if code:
        raise click.exceptions.Exit(code)
