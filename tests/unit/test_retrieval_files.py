"""Reading retrieval cases, and what is said about files that are not as they should be."""

import json
from pathlib import Path

import pytest
from retrieval_samples import write_folder, write_options

from agent.evaluation.retrieval_files import Document, Query, read_cases
from tools.errors import SouschefError


def test_a_folder_s_judged_queries_are_read(tmp_path: Path) -> None:
    queries = {"q1": "first", "q2": "unjudged", "q3": "judged useless"}
    qrels = [("q1", "a", 2), ("q1", "b", 0), ("q3", "a", 0)]
    found = read_cases(write_folder(tmp_path, queries, qrels, {"a": "Apple", "b": "Bread"}))
    assert found.queries == (Query("q1", "first", {"a": 2}),)
    assert found.documents == (Document("a", "Apple", ""), Document("b", "Bread", ""))
    assert list(found.sha256) == ["queries.jsonl", "qrels.tsv", "corpus.jsonl"]


def test_without_a_corpus_the_queries_are_about_an_index(tmp_path: Path) -> None:
    found = read_cases(write_folder(tmp_path, {"q1": "first"}, [("q1", "a", 1)]))
    assert (found.documents, found.places) == (None, {"a": f"{tmp_path / 'qrels.tsv'}, line 2"})


@pytest.mark.parametrize(
    ("splits", "asked", "read"),
    [(["dev"], None, "dev"), (["dev", "test"], None, "test"), (["dev", "test"], "dev", "dev")],
)
def test_the_split_is_the_one_asked_for_the_only_one_or_test(
    tmp_path: Path, splits: list[str], asked: str | None, read: str
) -> None:
    folder = write_folder(tmp_path, {name: name for name in splits}, [])
    (folder / "qrels").mkdir()
    for name in splits:
        (folder / "qrels" / f"{name}.tsv").write_text(f"{name}\ta\t1\n")
    assert [query.id for query in read_cases(folder, asked).queries] == [read]


def test_questions_with_options_have_documents_of_their_own(tmp_path: Path) -> None:
    found = read_cases(write_options(tmp_path / "o.jsonl", 2, options=2))
    assert found.queries[1] == Query("2", "dish1", {"2/o0": 1}, ("Any",), ("2/o0", "2/o1"))
    assert found.documents is not None
    assert found.documents[2:] == (Document("2/o0", "", "dish1", "2"), Document("2/o1", "", "other1x1", "2"))


OPTIONS = {"query": "q", "options": {"a": "one", "b": "two"}, "answer": "a"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 2 is not JSON"),
        ("[1]", "line 2 is not a JSON object"),
        (json.dumps({**OPTIONS, "query": " "}), "line 2: 'query' is missing"),
        (json.dumps({**OPTIONS, "answer": "c"}), "line 2: the answer 'c' is none of the options"),
        (json.dumps({**OPTIONS, "options": ["one"]}), "line 2: write options as"),
        (json.dumps({**OPTIONS, "options": {"a": ""}}), "line 2: write options as"),
        (json.dumps({**OPTIONS, "options": {"a": "one"}}), "line 2: 1 options leave no choice"),
        (json.dumps({**OPTIONS, "id": "1"}), "line 2: the id '1' was given before"),
        ("\udcff", "line 2 is not UTF-8"),
    ],
)
def test_a_bad_line_of_options_is_named(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "options.jsonl"
    path.write_bytes(f"{json.dumps(OPTIONS)}\n{line}\n".encode(errors="surrogateescape"))
    with pytest.raises(SouschefError, match=says):
        read_cases(path)


@pytest.mark.parametrize(
    ("qrels", "says"),
    [
        ("q1 a 1\n", "line 1: write query, document and score"),
        ("q1\ta\tyes\n", "line 1: the score 'yes' is no whole number"),
        ("q9\ta\t1\n", r"line 1: queries.jsonl has no query 'q9'"),
        ("q1\tz\t1\n", r"line 1: corpus.jsonl has no document 'z'"),
        ("q1\ta\t1\nq1\ta\t0\n", "line 2: 'a' is judged for 'q1' a second time"),
        ("q1\ta\t0\n", "calls nothing relevant"),
        ("", "is empty"),
    ],
)
def test_a_bad_line_of_judgements_is_named(tmp_path: Path, qrels: str, says: str) -> None:
    folder = write_folder(tmp_path, {"q1": "first"}, [], {"a": "Apple"})
    (folder / "qrels.tsv").write_text(qrels)
    with pytest.raises(SouschefError, match=says):
        read_cases(folder)


@pytest.mark.parametrize(
    ("name", "line", "says"),
    [
        ("queries.jsonl", '{"_id": "q1", "text": "again"}', "line 2: the id 'q1' was given before"),
        ("queries.jsonl", '{"_id": "q2"}', "line 2: 'text' is missing"),
        ("corpus.jsonl", '{"_id": "a", "title": "again"}', "line 2: the id 'a' was given before"),
        ("corpus.jsonl", '{"_id": "b"}', "line 2: the document has neither title nor text"),
    ],
)
def test_a_bad_line_of_queries_or_documents_is_named(tmp_path: Path, name: str, line: str, says: str) -> None:
    folder = write_folder(tmp_path, {"q1": "first"}, [("q1", "a", 1)], {"a": "Apple"})
    with (folder / name).open("a") as file:
        file.write(line)
    with pytest.raises(SouschefError, match=says):
        read_cases(folder)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SouschefError, match="There is no file"):
        read_cases(tmp_path / "nothing.jsonl")
    with pytest.raises(SouschefError, match=r"has no qrels/dev.tsv"):
        read_cases(write_folder(tmp_path, {"q": "q"}, [("q", "a", 1)]), "dev")
    with pytest.raises(SouschefError, match="has no splits"):
        read_cases(write_options(tmp_path / "o.jsonl", 1), "dev")
