"""Reading recipe files row by row: JSONL, JSON, CSV, TSV and Parquet, each also with .gz.

Yields every row as a mapping from column name to what the file holds, with its place ("soups.csv, line 7")
for error messages. What a row means is tools/recipes.py's business. Only a JSON array is held in memory as a
whole; all else streams. Whatever a file can have wrong ends as one RecipeFileError that names its place.
"""

import csv
import gzip
import json
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast

from tools.errors import RecipeFileError

Row = tuple[str, Mapping[str, Any]]  # (place, fields by column name in lower case)

NAME_COLUMNS = ("name", "title")

_HEAD_BYTES = 8192
_LARGEST_CELL = 1 << 30  # csv's own limit of 128 KiB is less than a long recipe


def rows(path: Path) -> Iterator[Row]:
    """The file's rows in order. Raises RecipeFileError, which names the line or row where there is one."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-1:] == [".gz"]
    kind = (suffixes[:-1] if packed else suffixes)[-1:]
    reader = _READERS.get(kind[0]) if kind else None
    if path.is_dir():
        raise RecipeFileError(f"{path} is a folder: give the recipe files in it, such as {path}/*.jsonl.")
    if not path.exists():
        raise RecipeFileError(f"There is no file {path}: check the path.")
    if reader is None:
        raise RecipeFileError(
            f"{path} does not say what it is: name it .jsonl, .json, .csv, .tsv or .parquet (.gz may follow)."
        )
    with _explaining(path), gzip.open(path) if packed else path.open("rb") as file:
        yield from reader(path, cast(IO[bytes], file))


@contextmanager
def _explaining(path: Path) -> Iterator[None]:
    """Turn what reading can raise, wherever in the file, into one sentence."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RecipeFileError(f"{path} is not a whole gzip file: copy or pack it again.") from error
    except PermissionError as error:
        raise RecipeFileError(f"{path} may not be read: give yourself the right to (chmod u+r).") from error


# ---- text


def _jsonl_rows(path: Path, file: IO[bytes]) -> Iterator[Row]:
    for number, line in enumerate(_lines(path, file), start=1):
        if line.strip():
            place = f"{path}, line {number}"
            yield place, _object(place, _json(place, line))


def _json_rows(path: Path, file: IO[bytes]) -> Iterator[Row]:
    content = _json(str(path), "".join(_lines(path, file)))
    if isinstance(content, dict):
        content = content.get("recipes", [content])
    if not isinstance(content, list):
        raise RecipeFileError(
            f"{path} is neither a list of recipes nor one recipe: write it as [{{...}}, ...]."
        )
    for number, item in enumerate(content, start=1):
        place = f"{path}, recipe {number}"
        yield place, _object(place, item)


def _csv_rows(path: Path, file: IO[bytes]) -> Iterator[Row]:
    return _table_rows(path, _lines(path, file), delimiter=None)


def _tsv_rows(path: Path, file: IO[bytes]) -> Iterator[Row]:
    return _table_rows(path, _lines(path, file), delimiter="\t")


def _table_rows(path: Path, lines: Iterator[str], delimiter: str | None) -> Iterator[Row]:
    csv.field_size_limit(_LARGEST_CELL)
    first = next(lines, "")
    if delimiter is None:  # spreadsheets write semicolons where the comma is the decimal sign
        delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
    try:
        header = _header(path, next(reader, []))
        for cells in reader:
            place = f"{path}, line {reader.line_num}"
            if len(cells) > len(header):
                raise RecipeFileError(
                    f"{place}: {len(cells)} cells in {len(header)} columns: quote the texts with commas."
                )
            if any(cells):
                yield place, dict(zip(header, cells, strict=False))
    except csv.Error as error:
        raise RecipeFileError(f"{path}, line {reader.line_num}: {error}: mend the quotes there.") from error


def _lines(path: Path, file: IO[bytes]) -> Iterator[str]:
    """Lines as UTF-8 text, told apart from binary files and from other encodings."""
    head = file.read(_HEAD_BYTES)
    if not head:
        raise RecipeFileError(f"{path} is empty: put at least one recipe into it.")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RecipeFileError(f"{path} is UTF-16 text: save it as UTF-8.")
    if _is_binary(head):
        raise RecipeFileError(f"{path} is not a text file: give JSONL, JSON, CSV, TSV or Parquet.")
    file.seek(0)
    for number, line in enumerate(file, start=1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise RecipeFileError(f"{path}, line {number} is not UTF-8: save the file as UTF-8.") from error


def _is_binary(head: bytes) -> bool:
    """NULs beside bytes that are not UTF-8, or very many NULs; a lone NUL may be dirt in a text."""
    nuls = head.count(0)
    readable = head.decode(errors="ignore").encode()
    return nuls * 20 > len(head) or (nuls > 0 and len(readable) + 3 < len(head))


def _json(place: str, text: str) -> Any:
    try:
        return json.loads(text, strict=False)  # raw control characters in a string are cleaned away later
    except json.JSONDecodeError as error:
        hint = "; one recipe a line is .jsonl" if error.msg == "Extra data" else ""
        where = f", line {error.lineno}" if "\n" in text.strip() else ""
        raise RecipeFileError(
            f"{place}{where} is not JSON ({error.msg}{hint}): mend or remove it."
        ) from error
    except (ValueError, RecursionError) as error:
        raise RecipeFileError(f"{place} is JSON beyond all measure: mend or remove it.") from error


def _object(place: str, item: Any) -> Mapping[str, Any]:
    if not isinstance(item, dict):
        raise RecipeFileError(f'{place} is not a JSON object: write a recipe as {{"name": ..., ...}}.')
    return {str(key).strip().lower(): value for key, value in item.items()}


# ---- Parquet


def _parquet_rows(path: Path, file: IO[bytes]) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with tempfile.TemporaryFile() as unpacked:
        if isinstance(file, gzip.GzipFile):  # Parquet is read from its end, gzip only from its start
            shutil.copyfileobj(file, unpacked)
            unpacked.seek(0)
        try:
            table = pq.ParquetFile(unpacked if isinstance(file, gzip.GzipFile) else file)
            header = _header(path, table.schema_arrow.names)
            number = 0
            for batch in table.iter_batches(batch_size=512):
                for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    number += 1
                    yield f"{path}, row {number}", dict(zip(header, values, strict=True))
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise RecipeFileError(f"{path} is not a whole Parquet file: write it again.") from error


def _header(path: Path, names: Sequence[str]) -> list[str]:
    """Column names in lower case, among them one that holds the recipe's name."""
    header = [name.strip().lower() for name in names]
    if not set(header) & set(NAME_COLUMNS):
        found = ", ".join(name.strip()[:40] for name in names[:12]) or "none"
        raise RecipeFileError(
            f"{path} has no column called name or title (found: {found}): name the columns in its first line."
        )
    return header


_READERS: Mapping[str, Callable[[Path, IO[bytes]], Iterable[Row]]] = {
    ".jsonl": _jsonl_rows,
    ".ndjson": _jsonl_rows,
    ".json": _json_rows,
    ".csv": _csv_rows,
    ".tsv": _tsv_rows,
    ".parquet": _parquet_rows,
}
