"""The summarizer adapter's training and development rows, from the data beside the project.

    python -m agent.adapters.summary_data --data ../shared/data --out DIR

writes DIR/train.jsonl (news and dialogues with reference summaries), DIR/news.jsonl (the news among them,
which PPO goes on with) and DIR/dev.jsonl (news that neither has), each row with article and summary.
References become plain sentences: CNN's highlights come as lines with a space before the full stop and marks
such as NEW. The same seed writes the same bytes. No row is from cnn_validation, which judges the adapter.
"""

import argparse
import json
import logging
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from agent.evaluation.article_files import ArticleRow, read_articles
from tools.errors import SouschefError
from tools.files import atomic_write
from tools.seeds import text_seed

DEV_ROWS = 60
DIALOGUES = 300

_log = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Write the files; the exit code, 1 where something is to be mended first."""
    parser = argparse.ArgumentParser(prog="python -m agent.adapters.summary_data", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="the folder of the sources")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        write_data(options.data, options.out, options.seed)
    except SouschefError as error:
        _log.error("%s", error)
        return error.exit_code
    return 0


def write_data(data: Path, out: Path, seed: int = 0) -> None:
    """Write the files into a folder; SouschefError where a source is missing."""
    for name, rows in make_rows(data, seed).items():
        _write(out / f"{name}.jsonl", rows)


def make_rows(data: Path, seed: int = 0) -> Mapping[str, list[dict[str, str]]]:
    """The rows of each file by its name; SouschefError where a source is missing."""
    news = _ordered(read_articles(data / "summaries" / "cnn_train.jsonl"), seed)
    dialogues = _ordered(read_articles(data / "summaries" / "dialogsum_train.jsonl"), seed)[:DIALOGUES]
    judged = {row.article for row in read_articles(data / "summaries" / "cnn_validation.jsonl")}
    kept = [row for row in news if row.article not in judged]
    dev, train = kept[:DEV_ROWS], kept[DEV_ROWS:]
    files = {"train": [*train, *dialogues], "news": train, "dev": dev}
    return {name: [_row(row) for row in rows] for name, rows in files.items()}


def plain_sentences(reference: str) -> str:
    r"""A reference summary as running text.

    >>> plain_sentences("NEW: Fire is out .\nTwo were hurt; none died\n")
    'Fire is out. Two were hurt; none died.'
    """
    lines = (re.sub(r"^(NEW|UPDATED?): *", "", line.strip()) for line in reference.splitlines())
    sentences = (re.sub(r"\s+([.,;:!?])", r"\1", line) for line in lines if line)
    return " ".join(line if line[-1] in ".!?\"'" else f"{line}." for line in sentences)


def _ordered(rows: Iterable[ArticleRow], seed: int) -> list[ArticleRow]:
    return sorted(rows, key=lambda row: text_seed(seed, row.article))


def _row(row: ArticleRow) -> dict[str, str]:
    return {"id": row.id, "article": row.article, "summary": plain_sentences(row.reference)}


def _write(file: Path, rows: Iterable[Mapping[str, str]]) -> None:
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    with atomic_write(file) as opened:
        opened.write("".join(lines).encode())
    _log.info("%s: %d rows", file, len(lines))


if __name__ == "__main__":
    sys.exit(main())
