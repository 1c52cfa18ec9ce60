"""`souschef eval retrieval [CASES]`: how well recipes, or the documents of CASES, are found."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from agent.commands.eval_options import EvalOptions, conclude, eval_options

if TYPE_CHECKING:
    from tools.index import Mode


@click.command()
@click.argument("cases", required=False, type=click.Path(path_type=Path))
@click.option("--index", type=click.Path(path_type=Path), metavar="DIR", help="A recipe index of your own.")
@click.option(
    "--embedder", "embedders", multiple=True, metavar="NAME", help="A name or a model folder; repeatable."
)
@click.option(
    "--mode",
    "modes",
    multiple=True,
    type=click.Choice(["dense", "lexical", "hybrid"]),
    help="How to search; repeatable  [default: all three]",
)
@click.option(
    "--k",
    "recall_at",
    multiple=True,
    type=click.IntRange(1, 1000),
    help="Recall at 1, 3, 10 and 50, or at these.",
)
@click.option("--split", help="Which file of CASES/qrels to use  [default: test]")
@eval_options
def retrieval(
    cases: Path | None,
    index: Path | None,
    embedders: tuple[str, ...],
    modes: tuple[str, ...],
    recall_at: tuple[int, ...],
    split: str | None,
    options: EvalOptions,
) -> None:
    """Search for what is known to be there: nDCG@10, recall, MRR, accuracy among options, latency.

    CASES is a folder in BEIR's form (queries.jsonl, qrels.tsv or qrels/, and corpus.jsonl unless the queries
    are about the recipes of an index), or a JSONL file of questions with options. Without CASES, recipes of
    the embedded index are looked for by name, by ingredients and by paraphrase.

    Examples:

    \b
      souschef eval retrieval
      souschef eval retrieval scifact/ --embedder minilm-l6 --embedder bge-small
      souschef eval retrieval questions.jsonl --min hybrid.accuracy=0.5
    """
    from agent.evaluation.retrieval import RECALL_AT, evaluate_retrieval
    from tools.index import MODES, RecipeIndex

    evaluation = evaluate_retrieval(
        cases,
        index=None if index is None else RecipeIndex.load(index),
        embedders=embedders,
        modes=cast("tuple[Mode, ...]", modes) or MODES,
        recall_at=recall_at or RECALL_AT,
        split=split,
        limit=options.limit,
        **options.run,
    )
    conclude(evaluation, options)
