"""`souschef eval rag RECIPES`: answers with retrieval against the model's own, on held-out dishes."""

import math
from pathlib import Path

import click

from agent.commands.eval_options import EvalOptions, check_names, conclude, engine_options, eval_options


def _finite(_context: click.Context, _option: click.Parameter, value: float) -> float:
    if not math.isfinite(value):
        raise click.BadParameter("give a number.")
    return value


@click.command()
@click.argument("recipes", type=click.Path(path_type=Path))
@click.option("--n", "n", type=click.IntRange(1), default=20, show_default=True, help="How many dishes.")
@click.option(
    "--index-rows", type=click.IntRange(1), help="Index so many rows, ask for the rest [default: 9/10]."
)
@click.option("--shuffle", is_flag=True, help="Order the rows by their uids first, for files sorted by name.")
@click.option("--judge", default=None, metavar="MODEL", help="A model that says which answer is better.")
@click.option("--judge-base-url", default=None, help="Where the server of the judge answers.")
@click.option("--embedder", default=None, metavar="NAME", help="Of the index [default: minilm-l6].")
@click.option("--temperature", type=click.FloatRange(0, 2), default=0.0, show_default=True, callback=_finite)
@click.option("--max-tokens", type=click.IntRange(16), default=512, show_default=True, help="Most per step.")
@engine_options
@eval_options
def rag(
    recipes: Path,
    n: int,
    index_rows: int | None,
    shuffle: bool,
    judge: str | None,
    judge_base_url: str | None,
    embedder: str | None,
    temperature: float,
    max_tokens: int,
    model: str | None,
    base_url: str | None,
    options: EvalOptions,
) -> None:
    """Ask "How do I make ...?" for dishes of RECIPES, with retrieval and without.

    The first rows of the file are indexed (built once, then cached), the dishes come from the others. With
    --judge, a model compares the answers in both orders. What you prefer yourself you can say in the report,
    and `souschef eval preferences` makes training data of it.

    Examples:

    \b
      souschef eval rag recipes.jsonl --n 20 --out runs/rag
      souschef eval rag recipes.jsonl --index-rows 7000 --judge openai/big --judge-base-url URL
    """
    from agent.engines import DEFAULT_MODEL
    from agent.evaluation.rag import Asking, evaluate_rag
    from agent.evaluation.rag_metrics import metric_names
    from tools.embed import DEFAULT_EMBEDDER

    check_names(options.minimums, metric_names(judged=judge is not None))
    found = evaluate_rag(
        recipes,
        n=min(n, options.limit or n),
        index_rows=index_rows,
        shuffle=shuffle,
        model=model or DEFAULT_MODEL,
        base_url=base_url,
        judge=judge,
        judge_base_url=judge_base_url,
        embedder=embedder or DEFAULT_EMBEDDER,
        asking=Asking(temperature=temperature, max_tokens=max_tokens, seed=options.seed),
        **options.run,
    )
    conclude(found, options)
