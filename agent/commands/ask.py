"""`souschef ask QUESTION`: one turn, streamed to a terminal, plain text to a pipe, one object with --json."""

import json
import math
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.commands.texts import read_text
from tools.errors import SouschefError, UsageError

if TYPE_CHECKING:
    from agent.session import Session


def _finite(_context: click.Context, _option: click.Parameter, value: float) -> float:
    if not math.isfinite(value):
        raise click.BadParameter("give a number.")
    return value


@click.command()
@click.argument("question", required=False)
@click.option("--file", "files", multiple=True, type=click.Path(path_type=Path), help="Attach a text file.")
@click.option("--model", default=None, help="A model's name, a .gguf file, a folder, or openai/NAME.")
@click.option("--base-url", default=None, help="Where the server of an openai/NAME model answers.")
@click.option("--index", type=click.Path(path_type=Path), default=None, help="A recipe index of your own.")
@click.option("--policy", default=None, help="What writes summaries: a model, or a training run.")
@click.option("--no-tools", is_flag=True, help="Ask the model alone, without recipes or summaries.")
@click.option("--trace", is_flag=True, help="Show every step in full.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--step-limit", type=click.IntRange(0, 50), default=4, show_default=True, help="Most tool calls."
)
@click.option(
    "--time-limit",
    type=click.FloatRange(0.1, 86_400),
    default=300,
    show_default=True,
    callback=_finite,
    help="Seconds.",
)
@click.option("--temperature", type=click.FloatRange(0, 2), default=0.0, show_default=True, callback=_finite)
@click.option("--max-tokens", type=click.IntRange(16), default=512, show_default=True, help="Most per step.")
@click.option("--context", type=click.IntRange(512), default=None, help="Context window, in tokens.")
@click.option("--seed", type=int, default=0, show_default=True)
def ask(
    question: str | None,
    files: tuple[Path, ...],
    model: str | None,
    base_url: str | None,
    index: Path | None,
    policy: str | None,
    no_tools: bool,
    trace: bool,
    as_json: bool,
    step_limit: int,
    time_limit: float,
    temperature: float,
    max_tokens: int,
    context: int | None,
    seed: int,
) -> None:
    """Ask QUESTION and read the answer. "-" reads the question from standard input.

    Examples:

    \b
      souschef ask "How do I make banana bread?"
      souschef ask "a soup without onions" --index my-recipes
      souschef ask "Summarize this." --file article.txt
    """
    asked = _question(question)
    attachments = [(path.name, read_text(path)) for path in files]

    from agent.build import build_agent, open_index
    from agent.engines import DEFAULT_MODEL, load_engine
    from agent.policy import load_policy
    from agent.session import Session, check_question

    check_question(asked, attachments)
    if policy and no_tools:
        raise UsageError("With --no-tools nothing summarizes: leave --policy out.")
    recipes = None if no_tools else open_index(index)
    with ExitStack() as opened:
        writer = opened.enter_context(closing(load_policy(policy))) if policy else None
        engine = load_engine(model or DEFAULT_MODEL, base_url=base_url, context_tokens=context)
        opened.callback(engine.close)
        agent = build_agent(
            engine,
            recipes,
            tools=[] if no_tools else None,
            policy=writer,
            step_limit=step_limit,
            temperature=temperature,
            max_tokens=max_tokens,
            seed=seed,
        )
        _run(Session(agent, time_limit_s=time_limit), asked, attachments, as_json, trace)


def _run(
    session: "Session", asked: str, attachments: list[tuple[str, str]], as_json: bool, trace: bool
) -> None:
    from agent.commands.turn_view import TurnView

    view = TurnView(quiet=as_json, trace=trace)
    with view:
        for event in session.stream(asked, attachments):
            view.show(event)
    turn = view.turn
    if as_json:
        click.echo(json.dumps(turn.to_dict(), ensure_ascii=False))
    if turn.exit_reason == "error":
        raise SouschefError("The answer is only what was found before something failed: see its last line.")


def _question(question: str | None) -> str:
    if question is None:
        raise UsageError('There is no question: `souschef ask "How do I make banana bread?"`.')
    return read_text(None) if question == "-" else question
