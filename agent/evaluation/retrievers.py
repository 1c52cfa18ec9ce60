"""What a retrieval evaluation compares: one way each to search one collection of documents.

A retriever gives scores, and the evaluation makes a ranking of them. The collection is indexed once for each
embedder and kept in the cache, where the embedder has files whose revision tells it apart from others.
Rows are put in an order that no file gave them: where an index breaks a tie by row, a file that lists what
is relevant first would else look well searched. The random retriever is what every figure is to be held
against.
"""

import hashlib
import random
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from langchain_core.documents import Document as Passage
from langchain_core.embeddings import Embeddings

from agent.evaluation.retrieval_files import Document, Query
from tools.embed import Embedder, identity
from tools.errors import IndexFileError
from tools.index import Mode, RecipeIndex
from tools.index_files import VERSION
from tools.models import cache_dir
from tools.passages import read_line
from tools.recipes import Recipe
from tools.seeds import text_seed

_BATCH = 256  # documents that are embedded before the bar moves


class Retriever(Protocol):
    """One of the ways to search that are set side by side."""

    @property
    def name(self) -> str:
        """What it is called in metrics."""
        ...

    def search(self, query: Query, k: int) -> dict[str, float]:
        """Scores by uid of the k best, best first; more is better."""
        ...


@dataclass(frozen=True)
class IndexRetriever:
    """An index, searched in one mode."""

    name: str
    index: RecipeIndex
    mode: Mode

    def search(self, query: Query, k: int) -> dict[str, float]:
        """The k best of all documents, or the options of the query."""
        wanted = [_tag(query.id)] if query.options else []
        hits = self.index.search(query.text, len(query.options) or k, self.mode, tags=wanted)
        return {hit.uid: hit.score for hit in hits}


@dataclass(frozen=True)
class RandomRetriever:
    """Documents drawn for each query anew; for options the same score for all, which is chance exactly."""

    uids: Sequence[str]
    seed: int
    name: str = "random"

    def search(self, query: Query, k: int) -> dict[str, float]:
        """k documents, whatever is asked."""
        if query.options:
            return dict.fromkeys(query.options, 0.0)
        drawn = random.Random(text_seed(self.seed, query.id)).sample(self.uids, min(k, len(self.uids)))
        return {uid: 1 / rank for rank, uid in enumerate(drawn, start=1)}


def index_retrievers(indexes: Mapping[str, RecipeIndex], modes: Sequence[Mode]) -> list[IndexRetriever]:
    """A retriever for each mode and embedder; words are the same for every embedder, and searched once."""
    retrievers: list[IndexRetriever] = []
    for mode in dict.fromkeys(modes):
        for name, index in indexes.items():
            alone = mode == "lexical" or len(indexes) == 1
            retrievers.append(IndexRetriever(mode if alone else f"{mode}:{name}", index, mode))
            if mode == "lexical":
                break
    return retrievers


def ranking(query: Query, scores: Mapping[str, float], seed: int) -> list[str]:
    """The uids, best first; what is tied in an order drawn for this query."""
    return sorted(scores, key=lambda uid: (-scores[uid], text_seed(seed, f"{query.id} {uid}")))


def recipe_documents(recipes: Iterable[Recipe]) -> tuple[Document, ...]:
    """Recipes as documents, with the text that an index of recipes embeds."""
    return tuple(Document(recipe.uid, recipe.name, recipe.text()) for recipe in recipes)


def indexed_documents(index: RecipeIndex) -> tuple[Document, ...]:
    """What an index holds."""
    return tuple(Document(p.uid, p.name, p.text) for p in map(read_line, index.lines()))


def index_of(documents: Sequence[Document], embedder: Embeddings) -> RecipeIndex:
    """An index of the documents: read from the cache, or made with a bar on stderr and kept there."""
    folder = _cached(documents, embedder) if isinstance(embedder, Embedder) else None
    if folder is not None:
        try:
            return RecipeIndex.load(folder, embedder)
        except IndexFileError:
            pass  # there is none yet, or it is damaged: it is made below
    index = RecipeIndex(embedder)
    _fill(index, sorted(documents, key=lambda document: text_seed(0, document.uid)))
    if folder is not None:
        index.save(folder)
    return index


def digest(documents: Iterable[Document]) -> str:
    """A sha256 of what there is to be found, in whatever order."""
    parts = sorted(repr((d.uid, d.title, d.text, d.case)) for d in documents)
    return hashlib.sha256("\n".join(parts).encode("utf-8", "replace")).hexdigest()


def _fill(index: RecipeIndex, documents: Sequence[Document]) -> None:
    from rich.console import Console
    from rich.progress import track

    starts = range(0, len(documents), _BATCH)
    shown = len(starts) > 1 and sys.stderr.isatty()
    for start in track(starts, "Embedding documents", console=Console(stderr=True), disable=not shown):
        index.add_documents([_passage(document) for document in documents[start : start + _BATCH]])


def _passage(document: Document) -> Passage:
    titled = document.text.startswith(document.title)  # as a recipe's text is by its name
    text = document.text if titled else f"{document.title}\n\n{document.text}".strip()
    metadata = {"name": document.title, "tags": [_tag(document.case)] if document.case else []}
    return Passage(id=document.uid, page_content=text, metadata=metadata)


def _tag(case: str) -> str:
    """A case's id as a tag; tags are compared without case and accents, which ids may differ in."""
    return case.encode("utf-8", "replace").hex()


def _cached(documents: Sequence[Document], embedder: Embedder) -> Path:
    made_by = identity(embedder)
    key = f"{digest(documents)}\n{made_by.name}\n{made_by.revision}\n{VERSION}"
    return cache_dir() / "index" / f"evaluated-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
