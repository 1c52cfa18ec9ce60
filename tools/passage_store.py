"""Passages in memory as a LangChain `VectorStore`, with dense, lexical and hybrid search.

It joins an embedder (tools/embed.py) and a collection (tools/collection.py). All search of the recipe index
is here; tools/index.py adds recipes and the disk. Embedding happens outside the lock, so that a search need
not wait while others embed.
"""

import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from tools.collection import Collection
from tools.embed import encode_query, load_embedder, unit_vectors
from tools.embedding_run import embed_in_chunks
from tools.errors import UsageError
from tools.filters import MetadataFilter
from tools.passages import read_line, text_line
from tools.ranking import fuse
from tools.recipes import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Mode = Literal["dense", "lexical", "hybrid"]
MODES: tuple[Mode, ...] = ("dense", "lexical", "hybrid")
_FUSED_DEPTH = 50  # hybrid: how far down each ranking counts


@dataclass(frozen=True)
class Hit:
    """A passage found; its score is a cosine (dense), BM25 (lexical) or fused ranks (hybrid)."""

    rank: int
    uid: str
    name: str
    score: float
    text: str
    recipe: Recipe | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def document(self) -> Document:
        """The passage as LangChain knows it."""
        return Document(id=self.uid, page_content=self.text, metadata=dict(self.metadata))


@dataclass(frozen=True)
class Counts:
    """What adding did: passages that are new, that replaced one of the same uid, that were there already."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0


class PassageStore(VectorStore):
    """Texts to search; several threads may use it at once."""

    def __init__(self, embedder: Embeddings | None = None) -> None:
        """An empty store, by default with the embedded embedder."""
        self._embedder = embedder
        self._content = Collection()
        self._lock = threading.RLock()

    @property
    def embedder(self) -> Embeddings:
        """What makes the vectors; found when it is first needed."""
        with self._lock:
            if self._embedder is None:
                self._embedder = self._find_embedder()
            return self._embedder

    @property
    def embeddings(self) -> Embeddings:
        """LangChain's name for the embedder."""
        return self.embedder

    @property
    def count(self) -> int:
        """How many passages there are."""
        return len(self._content)

    def lines(self) -> list[bytes]:
        """Every passage as the line of JSON that is stored, in row order."""
        with self._lock:
            return list(self._content.lines)

    def _find_embedder(self) -> Embeddings:
        return load_embedder()

    # ---- change

    def add_documents(self, documents: list[Document], **kwargs: Any) -> list[str]:
        """LangChain's `add`: documents without an id get one; `ids` overrides their own."""
        uids = kwargs.get("ids") or [document.id for document in documents]
        uids = [uid or str(uuid.uuid4()) for uid in uids]
        lines = (text_line(u, d.page_content, d.metadata) for u, d in zip(uids, documents, strict=True))
        self._put(dict(zip(uids, lines, strict=True)), progress=False)
        return uids

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:  # noqa: ARG002 - LangChain's
        """Take passages out by uid, or all of them; whether all of them were there."""
        with self._lock:
            gone = set(self._content.uids if ids is None else ids)
            return self._content.remove(sorted(gone)) == len(gone)

    # ---- search

    def search(  # type: ignore[override]  # LangChain's takes a search type here and returns documents
        self,
        query: str,
        k: int = 3,
        mode: Mode = "dense",
        *,
        tags: Sequence[str] = (),
        avoid: Sequence[str] = (),
        where: MetadataFilter | None = None,
    ) -> list[Hit]:
        """The k best passages, best first, among those with all `tags` and without what is to be avoided.

        Raises UsageError for an empty query, k below 1, or an unknown mode.
        """
        query = _checked(query, k, mode)
        vector = encode_query(self.embedder, query) if mode != "lexical" and len(self._content) else None
        with self._lock:
            allowed = self._content.filter.allowed(tags, avoid, where)
            depth = max(_FUSED_DEPTH, k) if mode == "hybrid" else k
            rankings = []
            if vector is not None and self._content.table is not None:
                rankings.append(self._content.table.search(vector, depth, allowed))
            if mode != "dense":
                rankings.append(self._content.lexical.search(query, depth, allowed))
            if mode == "hybrid":
                return self._hits(fuse([[row for row, _ in ranking] for ranking in rankings], k))
            return self._hits(rankings[0] if rankings else [])

    def similarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Documents with their score. `filter` is a dict of metadata or a function of a document."""
        hits = self.search(query, k, **_search_options(kwargs))
        return [(hit.document(), hit.score) for hit in hits]

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Documents most like the query; takes `filter`, `mode`, `tags` and `avoid`."""
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[Document]:
        """Documents most like a vector; takes `filter`, `tags` and `avoid`."""
        with self._lock:
            return [hit.document() for hit in self._hits(self._near(embedding, k, kwargs))]

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Documents like the query and unlike each other (Carbonell and Goldstein 1998)."""
        embedding = self.embedder.embed_query(_checked(query, k, "dense"))
        return self.max_marginal_relevance_search_by_vector(embedding, k, fetch_k, lambda_mult, **kwargs)

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        **kwargs: Any,
    ) -> list[Document]:
        """Documents like a vector and unlike each other."""
        import numpy as np
        from langchain_core.vectorstores.utils import maximal_marginal_relevance

        with self._lock:
            near = self._near(embedding, max(fetch_k, k), kwargs)
            if not near or self._content.table is None:
                return []
            vectors = list(self._content.table.rows(np.asarray([row for row, _ in near])))
            chosen = maximal_marginal_relevance(np.asarray(embedding), vectors, lambda_mult, k)
            return [hit.document() for hit in self._hits([near[n] for n in chosen])]

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents with these uids, in this order; those that are not there are left out."""
        with self._lock:
            rows = [row for uid in ids if (row := self._content.row(uid)) is not None]
            return [self._content.passage(row).document() for row in rows]

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,  # noqa: ARG003 - LangChain's
    ) -> Self:
        """A store of plain texts."""
        index = cls(embedding)
        index.add_texts(texts, metadatas, ids=ids)
        return index

    # ---- within

    def _put(self, lines: Mapping[str, bytes], progress: bool, parts: "Path | None" = None) -> Counts:
        """Upsert lines by uid, embedding only those whose text is new."""
        with self._lock:
            known = {
                uid: self._content.lines[row] for uid in lines if (row := self._content.row(uid)) is not None
            }
        changed = {uid: line for uid, line in lines.items() if known.get(uid) != line}
        restated = {
            uid: line
            for uid, line in changed.items()
            if uid in known and read_line(known[uid]).text == read_line(line).text
        }
        fresh = {uid: line for uid, line in changed.items() if uid not in restated}
        content = list(fresh.values())
        vectors = (
            embed_in_chunks(
                len(content), lambda n: read_line(content[n]).text, self.embedder, parts, progress
            )
            if fresh
            else None
        )
        with self._lock:
            self._content.restate(restated)
            if vectors is not None:
                self._content.put(fresh, vectors)
        updated = sum(uid in known for uid in changed)
        return Counts(len(changed) - updated, updated, len(lines) - len(changed))

    def _near(self, embedding: list[float], k: int, options: dict[str, Any]) -> list[tuple[int, float]]:
        import numpy as np

        if self._content.table is None:
            return []
        known = _search_options(options)
        known.pop("mode", None)
        vector = unit_vectors(np.asarray([embedding], dtype=np.float32))
        return self._content.table.search(vector, k, self._content.filter.allowed(**known))

    def _hits(self, ranked: Sequence[tuple[int, float]]) -> list[Hit]:
        return [self._hit(rank, row, score) for rank, (row, score) in enumerate(ranked, start=1)]

    def _hit(self, rank: int, row: int, score: float) -> Hit:
        found = self._content.passage(row)
        return Hit(rank, found.uid, found.name, score, found.text, found.recipe, found.metadata)

    def _select_relevance_score_fn(self) -> "Callable[[float], float]":
        return lambda cosine: (1 + cosine) / 2


def _checked(query: str, k: int, mode: str) -> str:
    if not query.strip():
        raise UsageError("The query is empty: say what to search for.")
    if k < 1:
        raise UsageError(f"Cannot return {k} results: ask for at least 1.")
    if mode not in MODES:
        raise UsageError(f"There is no search mode {mode!r}: choose {', '.join(MODES)}.")
    return query.encode("utf-8", "replace").decode()  # a terminal may pass half characters on


def _search_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Our names for the options of LangChain's search methods; what takes them refuses unknown ones."""
    return {"where" if name == "filter" else name: value for name, value in given.items()}
