"""How well documents are found: nDCG@10, recall and MRR of a ranking, accuracy among options, and latency.

Dense, lexical and hybrid search stand side by side for any number of embedders, with random ranking as the
baseline. All of them answer each question in turn, so that differences between them are paired. A search is
timed alone, embedding of the question included, after a first one that counts for nothing. Left out:
reranking, which Souschef does not do.
"""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings

from agent.evaluation.known_items import KNOWN_ITEMS
from agent.evaluation.ranking_scores import choice_scores, ranking_scores
from agent.evaluation.retrieval_files import Document, Query, RetrievalCases, read_cases
from agent.evaluation.retrieval_metrics import retrieval_metrics
from agent.evaluation.retrievers import (
    RandomRetriever,
    Retriever,
    digest,
    index_of,
    index_retrievers,
    indexed_documents,
    ranking,
    recipe_documents,
)
from agent.evaluation.runs import Evaluation, EvaluationRun, drawn
from tools.embed import DEFAULT_EMBEDDER, Embedder, identity, load_embedder
from tools.errors import SouschefError, UsageError
from tools.index import MODES, Mode, RecipeIndex, embedded_index
from tools.recipes import embedded_recipes

RECALL_AT = (1, 3, 10, 50)  # 3 is what the agent reads; up to 50 deep a hybrid search ranks the same
_SHOWN = 10  # of a ranking, in a result
_LISTED = 5  # of a ranking, in the report
_TITLE_CHARACTERS = 90


def evaluate_retrieval(
    cases: Path | None = None,
    *,
    index: RecipeIndex | None = None,
    embedders: Sequence[str | Embeddings] = (),
    modes: Sequence[Mode] = MODES,
    recall_at: Sequence[int] = RECALL_AT,
    split: str | None = None,
    out: Path | None = None,
    resume: bool = False,
    limit: int | None = None,
    seed: int = 0,
    workers: int = 1,
) -> Evaluation:
    """Put every question of `cases` (by default known items among Souschef's recipes) to every retriever.

    `index` is what cases without documents of their own search, by default that of the embedded recipes.
    `embedders` are catalogue names, folders or objects, by default the one that made the index. `limit` draws
    so many questions. Raises SouschefError for cases that are not as they should be.
    """
    path, recall_at = cases or KNOWN_ITEMS, _cutoffs(recall_at)
    asked = read_cases(path, split)
    documents = _documents(asked, index)
    by_uid = {document.uid: document for document in documents}
    _check_found(asked, by_uid)
    if limit is not None and limit < 1:
        raise UsageError(f"A limit of {limit} leaves no question: give at least 1.")
    queries = drawn(asked.queries, limit, seed)
    made_by = _embedders(embedders, index)
    settings = {
        "evaluation": "retrieval",
        "cases": path.name,
        "files": dict(asked.sha256),
        "documents": len(documents),
        "documents_sha256": digest(documents),
        "embedders": [str(identity(embedder)) for embedder in made_by.values()],
        "modes": list(modes),
        "recall_at": list(recall_at),
        "limit": limit,
        "seed": seed,
    }
    run = EvaluationRun(out, settings, resume=resume)
    indexes = {name: _index(asked, index, documents, embedder) for name, embedder in made_by.items()}
    retrievers: list[Retriever] = [*index_retrievers(indexes, modes)]
    retrievers.append(RandomRetriever(sorted(by_uid), seed))
    for retriever in retrievers:
        retriever.search(queries[0], 1)  # loads the model, and makes the table of words
    judge = partial(judged, retrievers=retrievers, documents=by_uid, recall_at=recall_at, seed=seed)
    results = run.judge(queries, judge, workers=workers, title="retrieval")
    metrics = retrieval_metrics(results, [retriever.name for retriever in retrievers], seed)
    run.finish(metrics)
    return Evaluation(metrics, results, out)


def judged(
    query: Query,
    *,
    retrievers: Sequence[Retriever],
    documents: Mapping[str, Document],
    recall_at: Sequence[int] = RECALL_AT,
    seed: int = 0,
) -> dict[str, Any]:
    """What each retriever finds for one question, how good that is, and how long it took in seconds."""
    scores: dict[str, float] = {}
    latency: dict[str, float] = {}
    found: dict[str, list[dict[str, Any]]] = {}
    columns: list[dict[str, str]] = []
    missed: list[str] = []
    for retriever in retrievers:
        started = time.perf_counter()
        scored = retriever.search(query, max(_SHOWN, *recall_at))
        latency[retriever.name] = time.perf_counter() - started
        ranked = ranking(query, scored, seed)
        scores |= {f"{retriever.name}.{metric}": v for metric, v in _worth(query, scored, ranked, recall_at)}
        found[retriever.name] = [{"uid": uid, "score": scored[uid]} for uid in ranked[:_SHOWN]]
        shown = ranked[: 1 if query.options else _LISTED]
        if retriever.name != "random" and not query.relevant.keys() & set(shown):
            missed.append(retriever.name)
        columns.append({"title": retriever.name, "text": _listed(query, ranked, documents)})
    return {
        "question": query.text,
        "groups": list(query.groups),
        "relevant": dict(query.relevant),
        "failed": missed,
        "scores": scores,
        "latency_s": latency,
        "found": found,
        "columns": columns,
    }


def _worth(
    query: Query, scored: Mapping[str, float], ranked: Sequence[str], recall_at: Sequence[int]
) -> list[tuple[str, float]]:
    if query.options:
        [answer] = query.relevant
        return list(choice_scores(answer, query.options, scored).items())
    return list(ranking_scores(query.relevant, ranked, recall_at).items())


def _listed(query: Query, ranked: Sequence[str], documents: Mapping[str, Document]) -> str:
    """The head of a ranking for the eye, with a tick at what is relevant."""
    lines = []
    for rank, uid in enumerate(ranked[:_LISTED], start=1):
        title = " ".join((documents[uid].title or documents[uid].text).split())[:_TITLE_CHARACTERS]
        lines.append(f"{rank}. {'✓ ' if uid in query.relevant else ''}{title}")
    return "\n".join(lines) or "(nothing found)"


# ---- what is searched


def _documents(asked: RetrievalCases, index: RecipeIndex | None) -> tuple[Document, ...]:
    if asked.documents is not None:
        if index is not None:
            raise UsageError("These cases bring their own documents: leave the index out.")
        return asked.documents
    return recipe_documents(embedded_recipes()) if index is None else indexed_documents(index)


def _check_found(asked: RetrievalCases, documents: Mapping[str, Document]) -> None:
    for uid, place in asked.places.items():
        if uid not in documents:
            raise SouschefError(
                f"{place}: the index holds no recipe {uid!r}: search the index that these cases were made "
                "for, or remove the line."
            )


def _embedders(given: Sequence[str | Embeddings], index: RecipeIndex | None) -> dict[str, Embeddings]:
    """Embedders by the name that metrics give them."""
    if not given:
        given = [index.embedder if index is not None else DEFAULT_EMBEDDER]
    found: dict[str, Embeddings] = {}
    for each in given:
        embedder = load_embedder(each) if isinstance(each, str) else each
        name = identity(embedder).name
        if name in found:
            raise UsageError(f"The embedder {name} is named twice: name each once.")
        found[name] = embedder
    return found


def _index(
    asked: RetrievalCases, index: RecipeIndex | None, documents: Sequence[Document], embedder: Embeddings
) -> RecipeIndex:
    """The index that is there already, where this embedder made it, or one made for this evaluation."""
    if index is not None and identity(index.embedder) == identity(embedder):
        return index
    embedded = asked.documents is None and index is None
    if embedded and isinstance(embedder, Embedder) and embedder.name == DEFAULT_EMBEDDER:
        return embedded_index()
    return index_of(documents, embedder)


def _cutoffs(recall_at: Sequence[int]) -> tuple[int, ...]:
    if not recall_at or min(recall_at) < 1:
        raise UsageError(f"Recall at {list(recall_at)} means nothing: give ranks of 1 and more.")
    return tuple(sorted(set(recall_at)))
