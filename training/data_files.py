"""Articles and reference summaries as columns, out of files or of a data set on the model hub.

`datasets` does the reading: JSONL, JSON, CSV and Parquet, each also with .gz, or `owner/name` on the hub.
Files go through a cache that is deleted again, so that a changed file is never answered from an old copy and
two processes do not wait for each other; what comes from the hub stays in its usual cache. Left out:
streaming, since PPO reads a few thousand articles and shuffles them.
"""

import glob
import gzip
import json
import logging
import re
import shutil
import tempfile
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.errors import TrainingError
from tools.files import expanded

ARTICLE_COLUMNS = ("article", "document", "dialogue", "text")
SUMMARY_COLUMNS = ("highlights", "summary", "reference", "target")

_BUILDERS = {".jsonl": "json", ".json": "json", ".csv": "csv", ".parquet": "parquet"}


@dataclass(frozen=True)
class Columns:
    """One source's rows, column by column, as the source holds them; `ids` is None where it has none."""

    ids: Sequence[Any] | None
    articles: Sequence[Any]
    summaries: Sequence[Any]


def read_columns(source: str, subset: str = "", split: str = "") -> Columns:
    """The columns of a file, or of a subset and split of a hub data set; TrainingError says what is wrong."""
    builder = _builder(source)
    if builder is None:
        return _chosen(source, _from_hub(source, subset, split))
    if subset or split:
        raise TrainingError(
            f'{source} is a file, without subsets and splits: leave data_subset and data_split "".'
        )
    with tempfile.TemporaryDirectory(prefix="souschef-data-") as cache, _quiet():
        return _chosen(source, _from_file(expanded(source), builder, Path(cache)))


def _builder(source: str) -> str | None:
    """What reads this source's file format; None for a name on the hub."""
    path = expanded(source)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-1:] == [".gz"]
    builder = _BUILDERS.get((suffixes[:-1] if packed else suffixes)[-1:][0]) if suffixes else None
    if builder is not None and not path.exists():
        raise TrainingError(f"There is no file {source}: correct the path in data or eval_data.")
    if path.is_file() and builder is None:
        raise TrainingError(
            f"{source} does not say what it is: name it .jsonl, .csv or .parquet (.gz may follow)."
        )
    if path.is_dir() or builder is not None or re.fullmatch(r"[\w.-]+/[\w.-]+", source):
        return builder
    raise TrainingError(
        f"{source} is neither a file here nor a data set's name: write owner/name, or correct the path."
    )


def _from_file(path: Path, kind: str, folder: Path) -> Any:
    """The table in a file; what `datasets` makes of it, and the file unpacked, lie in `folder`."""
    from datasets import load_dataset_builder
    from datasets.exceptions import DatasetsError

    plain = _unpacked(path, folder)
    options = {"index_col": False} if kind == "csv" else {}  # or a cell too many shifts the columns
    try:
        builder = load_dataset_builder(
            kind, data_files=glob.escape(str(plain)), cache_dir=str(folder), **options
        )
        builder.download_and_prepare()
    except (DatasetsError, ValueError, OSError) as error:
        if kind == "json" and (number := _broken_line(plain)):
            raise TrainingError(f"{path}, line {number} is not a JSON object: mend or remove it.") from error
        raise TrainingError(
            f"{path} cannot be read as {kind.upper()} ({_root(error)}): mend or write it again."
        ) from error
    if not builder.info.splits["train"].num_examples:
        raise TrainingError(f"{path} has no rows: put at least one article and its summary into it.")
    return builder.as_dataset(split="train")


def _unpacked(path: Path, folder: Path) -> Path:
    """The file itself, or in `folder` what is packed in it: `datasets` unpacks text but not Parquet."""
    if not path.stat().st_size:
        raise TrainingError(f"{path} is empty: put at least one article and its summary into it.")
    if path.suffix.lower() != ".gz":
        return path.resolve()
    plain = folder / "unpacked"
    try:
        with gzip.open(path) as packed, plain.open("wb") as file:
            shutil.copyfileobj(packed, file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TrainingError(f"{path} is not a whole gzip file: copy or pack it again.") from error
    return plain


def _from_hub(name: str, subset: str, split: str) -> Any:
    """A data set of the hub, or a folder laid out like one; without `split` its only one."""
    import httpx
    from datasets import Dataset, load_dataset
    from datasets.exceptions import DatasetsError

    try:
        loaded = load_dataset(name, subset or None, split=split or None)
    except (ConnectionError, httpx.HTTPError) as error:
        raise TrainingError(
            f"The data set {name} could not be reached: check the network, or name local files in data."
        ) from error
    except (DatasetsError, ValueError, OSError, RuntimeError) as error:
        raise TrainingError(
            f"The data set {name} cannot be had as asked ({_root(error)}): "
            "correct data, data_subset or data_split."
        ) from error
    if isinstance(loaded, Dataset):
        return loaded
    if len(loaded) != 1:
        raise TrainingError(
            f"The data set {name} has several splits: set data_split to {_or(sorted(loaded))}."
        )
    return next(iter(loaded.values()))


def _chosen(source: str, table: Any) -> Columns:
    """The columns that mean something here, by their names in lower case."""
    there: Mapping[str, str] = {name.strip().lower(): name for name in table.column_names}
    found = [
        next((there[name] for name in accepted if name in there), None)
        for accepted in (ARTICLE_COLUMNS, SUMMARY_COLUMNS)
    ]
    for name, accepted in zip(found, (ARTICLE_COLUMNS, SUMMARY_COLUMNS), strict=True):
        if name is None:
            raise TrainingError(
                f"{source} has no column called {_or(accepted)} "
                f"(it has {', '.join(table.column_names) or 'none'}): rename one of its columns."
            )
    ids = table[there["id"]][:] if "id" in there else None
    article, summary = (_texts(source, table, str(name)) for name in found)
    return Columns(ids, article, summary)


def _texts(source: str, table: Any, name: str) -> Sequence[str | None]:
    try:
        values: list[Any] = table[name][:]
    except UnicodeDecodeError as error:
        raise TrainingError(f"{source}: the column {name} is not UTF-8: save the file as UTF-8.") from error
    wrong = next((value for value in values if not isinstance(value, str | None)), None)
    if wrong is not None:
        raise TrainingError(
            f"{source}: the column {name} holds {type(wrong).__name__} values: it must hold text."
        )
    return values


def _broken_line(path: Path) -> int:
    """The number of the line where a JSONL file stops being one; 0 where each line by itself is sound."""
    with path.open("rb") as file:
        lines = enumerate(file, start=1)
        return next((number for number, line in lines if line.strip() and not _is_object(line)), 0)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line.decode("utf-8-sig")), dict)
    except ValueError:
        return False


def _root(error: BaseException) -> str:
    """The first line of what lies at the bottom of a chain of errors."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _or(names: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


@contextmanager
def _quiet() -> Iterator[None]:
    """No bars for a file that is read in a second, and no logged errors beside the one that is raised."""
    from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from datasets.utils.logging import (
        get_verbosity,
        set_verbosity,
    )
    from pandas.errors import ParserWarning

    shown, verbosity = not are_progress_bars_disabled(), get_verbosity()
    disable_progress_bars()
    set_verbosity(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", category=ParserWarning)  # pandas warns where it loses cells
            yield
    finally:
        set_verbosity(verbosity)
        if shown:
            enable_progress_bars()
