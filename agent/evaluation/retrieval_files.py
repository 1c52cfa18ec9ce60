"""Read what a retrieval evaluation asks: folders as BEIR has them, and files of questions with options.

A folder holds queries.jsonl, qrels.tsv or qrels/SPLIT.tsv, and corpus.jsonl; without corpus.jsonl the queries
are about the recipes of an index. A file holds one question a line, with its options and the right one.
Queries that nothing is judged relevant to are passed over, as BEIR does. Whatever else is wrong ends as one
sentence that names the line. Left out: TREC's own four columns, and packed files.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.errors import SouschefError
from tools.files import sha256

DEFAULT_SPLIT = "test"


@dataclass(frozen=True)
class Query:
    """A question, what answers it with which grade (uid: 1, 2 ...), and the options it leaves, if any."""

    id: str
    text: str
    relevant: Mapping[str, int]
    groups: tuple[str, ...] = ()  # kinds of question that are counted apart as well
    options: tuple[str, ...] = ()  # uids to choose among; none: everything there is


@dataclass(frozen=True)
class Document:
    """A text to be found; `case` is the id of the one question whose option it is, where it is one."""

    uid: str
    title: str
    text: str
    case: str = ""


@dataclass(frozen=True)
class RetrievalCases:
    """Queries and what they search: their own documents, or None for the recipes of an index."""

    queries: tuple[Query, ...]
    documents: tuple[Document, ...] | None
    sha256: Mapping[str, str]  # of each file that was read
    places: Mapping[str, str]  # where a relevant uid was named, for what is not in the index

    @property
    def has_options(self) -> bool:
        """Whether each question leaves a few options, rather than everything there is."""
        return bool(self.queries[0].options)


def read_cases(path: Path, split: str | None = None) -> RetrievalCases:
    """The cases of a folder or of a file with options.

    `split` names one of several files in qrels/. Raises SouschefError with the line of what is wrong.
    """
    if path.is_dir():
        return _read_folder(path, split)
    if split is not None:
        raise SouschefError(f"{path} is a file of options, which has no splits: leave --split out.")
    return _read_options(path)


# ---- BEIR


def _read_folder(folder: Path, split: str | None) -> RetrievalCases:
    judged_in = _qrels_file(folder, split)
    files = [folder / "queries.jsonl", judged_in]
    texts = _queries(files[0])
    documents = None
    if (folder / "corpus.jsonl").exists():
        files.append(folder / "corpus.jsonl")
        documents = _corpus(files[-1])
    known = None if documents is None else {document.uid for document in documents}
    relevant, places = _qrels(judged_in, texts, known)
    queries = tuple(
        Query(query, text, relevant[query], groups)
        for query, (text, groups) in texts.items()
        if query in relevant
    )
    if not queries:
        raise SouschefError(f"{judged_in} calls nothing relevant: give at least one line a score above 0.")
    return RetrievalCases(queries, documents, {file.name: sha256(file) for file in files}, places)


def _qrels_file(folder: Path, split: str | None) -> Path:
    """qrels.tsv, or the file of qrels/ that is asked for, is the only one, or is the test split."""
    found = {path.stem: path for path in sorted((folder / "qrels").glob("*.tsv"))}
    single = folder / "qrels.tsv"
    if not found and single.exists() and split is None:
        return single
    wanted = split or (next(iter(found)) if len(found) == 1 else DEFAULT_SPLIT)
    if wanted in found:
        return found[wanted]
    there = ", ".join(found)
    raise SouschefError(
        f"{folder} has no qrels/{wanted}.tsv: "
        + (f"choose --split among {there}." if there else "put relevance judgements there, or in qrels.tsv.")
    )


def _queries(path: Path) -> dict[str, tuple[str, tuple[str, ...]]]:
    """id: (text, groups), where metadata.kind is the group."""
    queries: dict[str, tuple[str, tuple[str, ...]]] = {}
    for place, row in _objects(path):
        query = _new(place, _text(place, row, "_id"), queries)
        kind = metadata.get("kind") if isinstance(metadata := row.get("metadata"), dict) else None
        queries[query] = (_text(place, row, "text"), (kind,) if isinstance(kind, str) and kind else ())
    return queries


def _corpus(path: Path) -> tuple[Document, ...]:
    documents: dict[str, Document] = {}
    for place, row in _objects(path):
        uid = _new(place, _text(place, row, "_id"), documents)
        title = str(row.get("title") or "").strip()
        text = str(row.get("text") or "").strip()
        if not title and not text:
            raise SouschefError(
                f"{place}: the document has neither title nor text: fill one in or remove it."
            )
        documents[uid] = Document(uid, title, text)
    return tuple(documents.values())


def _qrels(
    path: Path, queries: Mapping[str, Any], documents: set[str] | None
) -> tuple[dict[str, dict[str, int]], dict[str, str]]:
    """Grades above 0 by query and document, and the line of each document."""
    relevant: dict[str, dict[str, int]] = {}
    places: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    for number, line in _lines(path):
        place = f"{path}, line {number}"
        cells = [cell.strip() for cell in line.rstrip("\r\n").split("\t")]
        if number == 1 and cells[-1:] == ["score"]:
            continue  # the header
        query, uid, grade = _judgement(place, cells)
        if query not in queries:
            raise SouschefError(f"{place}: queries.jsonl has no query {query!r}: add it or remove the line.")
        if documents is not None and uid not in documents:
            raise SouschefError(f"{place}: corpus.jsonl has no document {uid!r}: add it or remove the line.")
        if (query, uid) in seen:
            raise SouschefError(f"{place}: {uid!r} is judged for {query!r} a second time: keep one line.")
        seen.add((query, uid))
        if grade > 0:
            relevant.setdefault(query, {})[uid] = grade
            places.setdefault(uid, place)
    return relevant, places


def _judgement(place: str, cells: Sequence[str]) -> tuple[str, str, int]:
    if len(cells) != 3 or not cells[0] or not cells[1]:
        raise SouschefError(f"{place}: write query, document and score, with a tab between each.")
    try:
        return cells[0], cells[1], int(cells[2])
    except ValueError as error:
        raise SouschefError(
            f"{place}: the score {cells[2]!r} is no whole number: write 0, 1, 2 ..."
        ) from error


# ---- options


def _read_options(path: Path) -> RetrievalCases:
    queries: dict[str, Query] = {}
    documents: list[Document] = []
    for place, row in _objects(path):
        number = place.rpartition(" ")[2]
        query = _new(place, _text(place, row, "id") if "id" in row else number, queries)
        options = _options(place, row)
        answer = _text(place, row, "answer")
        if answer not in options:
            raise SouschefError(f"{place}: the answer {answer!r} is none of the options: name one of them.")
        uids = {name: f"{query}/{name}" for name in options}
        documents += [Document(uids[name], "", text, case=query) for name, text in options.items()]
        queries[query] = Query(
            query, _text(place, row, "query"), {uids[answer]: 1}, _kinds(row), tuple(uids.values())
        )
    return RetrievalCases(tuple(queries.values()), tuple(documents), {path.name: sha256(path)}, {})


def _options(place: str, row: Mapping[str, Any]) -> dict[str, str]:
    options = row.get("options")
    if not isinstance(options, dict) or not all(isinstance(o, str) and o.strip() for o in options.values()):
        raise SouschefError(f'{place}: write options as {{"a": "first text", "b": "second text"}}.')
    if len(options) < 2:
        raise SouschefError(f"{place}: {len(options)} options leave no choice: give at least 2.")
    return {str(name): text.strip() for name, text in options.items()}


def _kinds(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The kinds that `query_type` marks with 1."""
    kinds = row.get("query_type")
    return tuple(str(kind) for kind, holds in kinds.items() if holds) if isinstance(kinds, dict) else ()


# ---- lines


def _objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each line's JSON object with its place."""
    for number, line in _lines(path):
        place = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise SouschefError(f"{place} is not JSON: mend or remove it.") from error
        if not isinstance(row, dict):
            raise SouschefError(f"{place} is not a JSON object: write it as {{...}}.")
        yield place, row


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that hold anything, numbered from 1; SouschefError where there are none."""
    if not path.is_file():
        raise SouschefError(f"There is no file {path}: check the path.")
    empty = True
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise SouschefError(f"{path}, line {number} is not UTF-8: save it as UTF-8 text.") from error
            if text.strip():
                empty = False
                yield number, text
    if empty:
        raise SouschefError(f"{path} is empty: put at least one line into it.")


def _text(place: str, row: Mapping[str, Any], field: str) -> str:
    """A field's text; ids may be numbers."""
    value = row.get(field)
    if isinstance(value, int) and not isinstance(value, bool) and field in ("id", "_id"):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise SouschefError(f"{place}: {field!r} is missing or no text: fill it in.")
    return value.strip()


def _new(place: str, uid: str, known: Mapping[str, Any]) -> str:
    """The id, where it is not taken."""
    if uid in known:
        raise SouschefError(f"{place}: the id {uid!r} was given before: give each line its own.")
    return uid
