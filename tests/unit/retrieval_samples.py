"""Small files of retrieval cases, and embedders whose rankings are known."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings


def write_folder(
    folder: Path,
    queries: Mapping[str, str],
    qrels: Sequence[tuple[str, str, int]],
    corpus: Mapping[str, str] | None = None,
) -> Path:
    """A folder in BEIR's form; each document's title is its text."""
    folder.mkdir(exist_ok=True)
    _write(folder / "queries.jsonl", [{"_id": id_, "text": text} for id_, text in queries.items()])
    if corpus is not None:
        _write(folder / "corpus.jsonl", [{"_id": id_, "title": text} for id_, text in corpus.items()])
    lines = [f"{query}\t{uid}\t{grade}\n" for query, uid, grade in qrels]
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines))
    return folder


def write_options(path: Path, questions: int, options: int = 5) -> Path:
    """Questions whose right option always comes first, and repeats the question."""
    rows = [
        {
            "query": f"dish{n}",
            "options": {f"o{i}": f"dish{n}" if i == 0 else f"other{n}x{i}" for i in range(options)},
            "answer": "o0",
            "query_type": {"Even": int(n % 2 == 0), "Any": 1},
        }
        for n in range(questions)
    ]
    _write(path, rows)
    return path


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


class ConstantEmbeddings(Embeddings):
    """All texts alike: no ranking at all."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[1.0, 0.0] for _ in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]
