"""The user's cache of model files: where each model lies, and whether its files are what they should be.

Beside a model's files lies a record of their sha256 and of the size, times and inode they had when they
hashed right. A file whose stat has not changed is not read again: hashing takes about 90 ms for the embedded
model but many seconds for a large one, at every start. The record holds ctime too, which no program can set
back, so that a write is noticed even where somebody restored mtime. `thorough=True` reads everything anyway.
"""

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tools.catalogue import CatalogueEntry, WheelSource
from tools.errors import SouschefError
from tools.files import atomic_write, expanded, sha256

RECORD = "souschef.json"
_BY_HAND = "copied by hand"
_CTIME = 2  # its place in what _stat gives
_CLOCK_TICK_NS = 20_000_000  # twice the coarsest clock that file systems stamp with


@dataclass(frozen=True)
class Record:
    """What a model's files should be: each path's sha256 and its stat when it was right, and where from."""

    source: str
    revision: str
    sha256: Mapping[str, str]
    stat: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Verdict:
    """Either a good record, or what is wrong ("" where the model is simply not there)."""

    record: Record | None
    problem: str = ""


def cache_dir() -> Path:
    """The folder for what Souschef can fetch or make again: $SOUSCHEF_CACHE, or the user's cache folder."""
    import platformdirs

    chosen = os.environ.get("SOUSCHEF_CACHE")
    return expanded(chosen) if chosen else Path(platformdirs.user_cache_dir("souschef"))


def model_folder(entry: CatalogueEntry) -> Path:
    """Where this model's files lie in the cache, whether they are there or not."""
    return cache_dir() / "models" / entry.name


def check(entry: CatalogueEntry, *, thorough: bool = False) -> Verdict:
    """Say whether the cached files of a model are whole and unaltered."""
    folder = model_folder(entry)
    if not folder.is_dir():
        return Verdict(None)
    known = read_record(folder) or _record_of_copied_files(entry, folder)  # as if copied here by hand
    if known is None:
        return Verdict(None)
    if entry.sha256 and known.sha256.get(entry.main_file) != entry.sha256:
        return Verdict(None, f"{folder / entry.main_file} is not the version this Souschef uses")
    return check_files(folder, known, thorough=thorough)


def check_files(folder: Path, known: Record, *, thorough: bool = False) -> Verdict:
    """Say whether files are what their record says; what was found right is recorded anew."""
    stat = {path: _stat(folder / path) for path in known.sha256}
    good = Record(known.source, known.revision, known.sha256, _settled(stat))
    for path, expected in known.sha256.items():
        if not stat[path]:
            return Verdict(None, f"{folder / path} is missing")
        if (thorough or stat[path] != known.stat.get(path)) and sha256(folder / path) != expected:
            return Verdict(None, f"{folder / path} is incomplete or was altered")
    if good != known or not (folder / RECORD).exists():
        with suppress(SouschefError):  # a cache that is shared read-only is hashed each time instead
            write_record(folder, good)
    return Verdict(good)


def new_record(folder: Path, source: str, revision: str, hashes: Mapping[str, str]) -> Record:
    """A record of files that have just been verified against `hashes`."""
    return Record(source, revision, hashes, _settled({path: _stat(folder / path) for path in hashes}))


def write_record(folder: Path, record: Record) -> None:
    """Keep the record beside the files it speaks of."""
    with atomic_write(folder / RECORD) as file:
        file.write(json.dumps(vars(record), indent=1).encode())


def read_record(folder: Path) -> Record | None:
    """The record beside a folder's files; None where there is none, or a damaged one."""
    try:
        fields = json.loads((folder / RECORD).read_bytes())
        return Record(
            source=str(fields["source"]),
            revision=str(fields["revision"]),
            sha256={str(path): str(digest) for path, digest in fields["sha256"].items()},
            stat={str(path): tuple(map(int, numbers)) for path, numbers in fields["stat"].items()},
        )
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, AttributeError, TypeError):
        return None


def _record_of_copied_files(entry: CatalogueEntry, folder: Path) -> Record | None:
    """What files without a record should be, where the catalogue pins them."""
    for source in entry.sources:
        if isinstance(source, WheelSource) and (folder / entry.main_file).exists():
            return Record(_BY_HAND, entry.sha256, source.files, {})
    return None


def model_files(folder: Path) -> list[Path]:
    """Every file of a model folder but the record and hidden ones, in a fixed order."""
    below = (path for path in folder.rglob("*") if path.is_file() and path.name != RECORD)
    return sorted(
        path for path in below if not any(p.startswith(".") for p in path.relative_to(folder).parts)
    )


def _stat(path: Path) -> tuple[int, ...]:
    if not path.is_file():
        return ()
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _settled(stat: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Without files written this very instant: they could be written again without their times showing it."""
    latest_ns = time.time_ns() - _CLOCK_TICK_NS
    return {path: numbers for path, numbers in stat.items() if numbers and numbers[_CTIME] < latest_ns}
