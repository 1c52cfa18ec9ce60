"""Articles with references, from every format and with every way in which a file can be wrong."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from agent.evaluation.article_files import ArticleRow, read_articles
from tools.errors import SouschefError

ROWS = [
    {"id": "a", "article": "Boil an egg,\nthen peel it.", "summary": 'A "boiled" egg.'},
    {"id": "b", "article": "Crème brûlée; burn the sugar.", "summary": "Burnt cream."},
]
READ = [ArticleRow(row["id"], row["article"], row["summary"]) for row in ROWS]


def written(path: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    """The rows in the format that the file's name says."""
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    plain = path.with_name(f"plain.{kind}")
    if kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), plain)
    elif kind == "jsonl":
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        plain.write_text("\ufeff" + "\n\n".join(lines), encoding="utf-8")
    else:
        with plain.open("w", encoding="utf-8-sig", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]), delimiter="," if kind == "csv" else "\t")
            table.writeheader()
            table.writerows(rows)
    content = plain.read_bytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.parquet", "a.jsonl.gz", "a.parquet.gz"])
def test_every_format_reads_alike(tmp_path: Path, name: str) -> None:
    assert read_articles(written(tmp_path / name)) == READ


@pytest.mark.parametrize("article", ["article", "Document", "dialogue", "text"])
@pytest.mark.parametrize("summary", ["summary", "highlights", " Reference", "target"])
def test_columns_go_by_several_names(tmp_path: Path, article: str, summary: str) -> None:
    path = written(tmp_path / "a.jsonl", [{article: "Boil it.", summary: "Boiled.", "source": "cook"}])
    assert read_articles(path) == [ArticleRow("row-1", "Boil it.", "Boiled.")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "a.jsonl has no rows: put at least one article"),
        ('{"article": "x", "summary": "y"}\n{"article": "z"', "a.jsonl, line 2 is not JSON: mend"),
        ('\n["article"]', "a.jsonl, line 2 is not a JSON object: write"),
        ('{"article": "x"}', "line 1 has none of highlights, summary, reference, target, but article: name"),
        ('{"article": "x", "summary": " "}', "line 1: summary is empty: fill it in, or remove the row"),
        ('{"article": null, "summary": "y"}', "line 1: article is empty: fill it in"),
        ('{"article": ["x"], "summary": "y"}', "line 1: article is list, not text: write it as a text"),
        (
            '{"id": 1, "text": "x", "target": "y"}\n' * 2,
            "line 2: the id '1' is that of .*, line 1 too: change",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SouschefError, match=said):
        read_articles(path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", b'{"article": "\xff"}', "line 1 is not UTF-8: save"),
        ("a.csv", b"article,summary\nx,\xff\n", "line 2 is not UTF-8: save"),
        ("a.csv", b"article,summary\nx,y,z\n", "line 2: 3 cells in 2 columns: quote the texts"),
        ("a.csv", b'article,summary\nx,"y\n', "line 2: .*: mend the quotes there"),
        ("a.parquet", b"PAR1", "is not a whole Parquet file: write it again"),
        ("a.jsonl.gz", gzip.compress(b"{}", mtime=0)[:-5], "is not a whole gzip file: copy or pack"),
        ("a.txt", b"", r"does not say what it is: name it \.jsonl"),
        ("articles", b"", r"does not say what it is: name it \.jsonl"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SouschefError, match=said):
        read_articles(tmp_path / name)


def test_a_file_that_is_not_there_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SouschefError, match=r"There is no file .*gone\.jsonl: check the path"):
        read_articles(tmp_path / "gone.jsonl")
    with pytest.raises(SouschefError, match="is a folder: name a file in it"):
        read_articles(tmp_path)
