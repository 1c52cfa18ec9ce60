"""Answers that nobody chose, of the default agent, as Markdown for a model card.

    python tests/benchmarks/card_answers.py --n 20 --seed 0 --data FOLDER/cnn_validation.jsonl >> CARD.md

Searches and direct answers are to shipped evaluation cases (`routing`) drawn by the seed, after what a case
was asked before; summaries are of articles drawn from --data, which are named by their ids alone, since their
texts may not be passed on. What a case expected is not shown: `souschef eval agent` counts that.
"""

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from agent import Session, build_agent
from agent.engines import Engine, load_engine
from agent.evaluation.agent_cases import AgentCase, Route, read_cases, sampled
from agent.evaluation.article_files import read_articles
from agent.policy import PromptedPolicy
from tools.index import embedded_index
from tools.seeds import text_seed
from tools.summarize import summarize

TIME_LIMIT_S = 3600.0  # however busy the machine
TITLES: dict[Route, str] = {"recipe_search": "Recipes", "direct": "Direct answers"}


@click.command()
@click.option("--n", "count", default=20, show_default=True, help="Answers of each kind.")
@click.option("--seed", default=0, show_default=True, help="Of what is drawn.")
@click.option("--words", default=60, show_default=True, help="After so many an answer is cut here.")
@click.option("--data", type=click.Path(path_type=Path), help="Articles to summarize, such as JSONL.")
def main(count: int, seed: int, words: int, data: Path | None) -> None:
    """Print a section for each kind."""
    with closing(load_engine()) as engine:
        agent = build_agent(engine, embedded_index())
        for route, title in TITLES.items():
            cases = [case for case in read_cases(Path("routing")) if case.expect.route == route]
            heading(title, min(count, len(cases)), f"{len(cases)} cases", seed)
            for case in sampled(cases, count, seed):
                show(" / ".join([*case.history, case.question]), answer(agent, case), words)
        if data is not None:
            show_summaries(engine, data, count, seed, words)


def show_summaries(engine: Engine, data: Path, count: int, seed: int, words: int) -> None:
    """A section of summaries, each under the id of its article."""
    rows = sorted(read_articles(data), key=lambda row: text_seed(seed, row.id))[:count]
    policy = PromptedPolicy(engine)
    heading("Summaries", len(rows), f"the articles of {data.name}", seed)
    for row in rows:
        show(f"`{row.id}`", summarize(row.article, policy).text, words)


def answer(agent: Any, case: AgentCase) -> str:
    """What the agent says to a case, in a conversation of its own."""
    session = Session(agent, time_limit_s=TIME_LIMIT_S)
    for question in case.history:
        session.ask(question)
    return session.ask(case.question, [("text.txt", case.file)] if case.file is not None else []).answer


def heading(title: str, count: int, of: str, seed: int) -> None:
    """The title of a section, with what it was drawn from."""
    print(f"## {title}\n\n{count} of {of}, drawn with seed {seed}.\n", flush=True)


def show(asked: str, said: str, words: int) -> None:
    """A question and its answer as a quotation."""
    print(f"**{' '.join(asked.split())}**\n", *quoted(said, words), "", sep="\n", flush=True)
    print(".", end="", file=sys.stderr, flush=True)


def quoted(text: str, words: int) -> Iterator[str]:
    """Lines of a Markdown quotation, cut after so many words."""
    left = words
    for line in text.strip().splitlines() or ["(nothing)"]:
        if left <= 0:
            yield f"> ... ({len(text.split())} words in all)"
            return
        kept = line.split(" ")[:left]
        left -= len(line.split())
        yield f"> {' '.join(kept)}".rstrip()


if __name__ == "__main__":
    main()
