"""Articles with reference summaries, read from JSONL, CSV, TSV or Parquet, each also with .gz.

A column's name says what it holds, as in training's data. Unlike training, which leaves rows without a text
out, this refuses them: a figure that is said to be of a file must be of all its rows. What is wrong with a
file is said with its line. Left out: data sets of the model hub, and folders.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.errors import SouschefError

ARTICLE_COLUMNS = ("article", "document", "dialogue", "text")
SUMMARY_COLUMNS = ("highlights", "summary", "reference", "target")
ID_COLUMNS = ("id", "uid")

_LARGEST_CELL = 1 << 30  # characters; csv's own limit of 128 KiB is less than a long article

_Row = tuple[str, Mapping[str, Any]]  # (place, fields by column name in lower case)


@dataclass(frozen=True)
class ArticleRow:
    """An article and its reference summary; `id` is unique in the file."""

    id: str
    article: str
    reference: str


def read_articles(path: Path) -> list[ArticleRow]:
    """The file's rows in order; a row without an id is named by its number, from 1.

    Raises SouschefError, which names the line or row where there is one, for whatever is wrong with the file.
    """
    rows: list[ArticleRow] = []
    places: dict[str, str] = {}
    for place, fields in _rows(path):
        row = ArticleRow(
            _id(fields, len(rows) + 1),
            _text(place, fields, ARTICLE_COLUMNS),
            _text(place, fields, SUMMARY_COLUMNS),
        )
        if row.id in places:
            raise SouschefError(f"{place}: the id {row.id!r} is that of {places[row.id]} too: change one.")
        places[row.id] = place
        rows.append(row)
    if not rows:
        raise SouschefError(f"{path} has no rows: put at least one article and its summary into it.")
    return rows


def _id(fields: Mapping[str, Any], number: int) -> str:
    given = next((fields[name] for name in ID_COLUMNS if fields.get(name) not in (None, "")), None)
    return f"row-{number}" if given is None else str(given)


def _text(place: str, fields: Mapping[str, Any], names: tuple[str, ...]) -> str:
    found = next((name for name in names if name in fields), None)
    if found is None:
        there = ", ".join(fields) or "nothing"
        raise SouschefError(f"{place} has none of {', '.join(names)}, but {there}: name one of them so.")
    value = fields[found]
    if not isinstance(value, str | None):
        raise SouschefError(f"{place}: {found} is {type(value).__name__}, not text: write it as a text.")
    if value is None or not value.strip():
        raise SouschefError(f"{place}: {found} is empty: fill it in, or remove the row.")
    return value


# ---- formats


def _rows(path: Path) -> Iterator[_Row]:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-1:] == [".gz"]
    reader = _READERS.get("".join((suffixes[:-1] if packed else suffixes)[-1:]))
    if path.is_dir():
        raise SouschefError(f"{path} is a folder: name a file in it.")
    if reader is None:
        raise SouschefError(
            f"{path} does not say what it is: name it .jsonl, .csv, .tsv or .parquet (.gz may follow)."
        )
    yield from reader(path, _content(path, packed))


def _content(path: Path, packed: bool) -> bytes:
    try:
        return gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SouschefError(f"There is no file {path}: check the path.") from error
    except PermissionError as error:
        raise SouschefError(f"{path} may not be read: give yourself the right to (chmod u+r).") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SouschefError(f"{path} is not a whole gzip file: copy or pack it again.") from error


def _jsonl_rows(path: Path, content: bytes) -> Iterator[_Row]:
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if line.strip():
            place = f"{path}, line {number}"
            yield place, _object(place, line)


def _object(place: str, line: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise SouschefError(f"{place} is not UTF-8: save the file as UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise SouschefError(f"{place} is not JSON: mend or remove it.") from error
    if not isinstance(found, dict):
        raise SouschefError(f'{place} is not a JSON object: write {{"article": ..., "summary": ...}}.')
    return {str(name).strip().lower(): value for name, value in found.items()}


def _csv_rows(path: Path, content: bytes, delimiter: str = ",") -> Iterator[_Row]:
    csv.field_size_limit(_LARGEST_CELL)
    reader = csv.reader(io.StringIO(_decoded(path, content), newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        for cells in reader:
            place = f"{path}, line {reader.line_num}"
            if cells and len(cells) != len(header):
                raise SouschefError(
                    f"{place}: {len(cells)} cells in {len(header)} columns: quote the texts with commas."
                )
            if cells:
                yield place, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise SouschefError(f"{path}, line {reader.line_num}: {error}: mend the quotes there.") from error


def _tsv_rows(path: Path, content: bytes) -> Iterator[_Row]:
    return _csv_rows(path, content, "\t")


def _decoded(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content[: error.start].count(b"\n") + 1
        raise SouschefError(f"{path}, line {number} is not UTF-8: save the file as UTF-8.") from error


def _parquet_rows(path: Path, content: bytes) -> Iterator[_Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(content)).to_pylist()
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise SouschefError(f"{path} is not a whole Parquet file: write it again.") from error
    for number, fields in enumerate(table, start=1):
        yield f"{path}, row {number}", {name.strip().lower(): value for name, value in fields.items()}


_READERS: Mapping[str, Callable[[Path, bytes], Iterator[_Row]]] = {
    ".jsonl": _jsonl_rows,
    ".ndjson": _jsonl_rows,
    ".csv": _csv_rows,
    ".tsv": _tsv_rows,
    ".parquet": _parquet_rows,
}
