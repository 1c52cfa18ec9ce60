"""Files that others rely on: written beside, flushed to disk, then renamed into place.

A reader sees the old file or the new one, never half of one, whenever the writer is killed. A file of lines
grows at its end instead, each line on disk at once. Checksums are sha256, in hexadecimal. Left out: locking,
which the recipe index does for its whole directory.
"""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tools.errors import SouschefError

PREVIOUS_SUFFIX = ".previous"  # of the folder that stands in while a newer one takes its place

_CHUNK_BYTES = 1 << 20


def sha256(path: Path) -> str:
    """The file's sha256, read in chunks of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that appears at `path` whole when the block ends, or not at all when it raises.

    Raises SouschefError where the disk is full or the folder cannot be written.
    """
    with saying_what_the_disk_refused(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        beside = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                os.fchmod(handle, 0o666 & ~_umask())  # mkstemp's files are for their maker alone
                yield file
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
            sync_folder(path.parent)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A new folder to write into, which takes the place of `folder` whole when the block ends.

    Raises SouschefError where the disk is full or the folder cannot be written.
    """
    part = folder.with_name(f".{folder.name}.part")
    with saying_what_the_disk_refused(folder):
        _remove_folder(part)  # what a killed process left
        part.mkdir(parents=True)
        yield part
        flush_folder(part)
        replace_folder(part, folder)


def append_line(path: Path, line: bytes) -> None:
    """Add a line, which brings no line break, to the end of a file and flush it to disk."""
    with saying_what_the_disk_refused(path), path.open("ab") as file:
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())


def cut_torn_line(path: Path) -> None:
    """Cut off what follows the last line break, so that the next line does not continue it."""
    if path.is_file():
        with saying_what_the_disk_refused(path), path.open("rb+") as file:
            file.truncate(file.read().rfind(b"\n") + 1)


def flush_folder(folder: Path) -> None:
    """Flush every file below a folder, and its entries, to disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(folder)


def replace_folder(part: Path, folder: Path) -> None:
    """Rename `part` to `folder`. A folder cannot be renamed over a full one, so the old one steps aside.

    Killed in between, it is found under its name with PREVIOUS_SUFFIX, by readers that look there and by the
    next call of this function.
    """
    previous = folder.with_name(folder.name + PREVIOUS_SUFFIX)
    if folder.exists():
        _remove_folder(previous)
        folder.rename(previous)
    part.rename(folder)
    sync_folder(folder.parent)
    _remove_folder(previous)


def _remove_folder(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def expanded(path: str | Path) -> Path:
    """The path with ~ or ~user as that home folder; SouschefError where there is no such user."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise SouschefError(f"{path} begins with a user who has no home folder: write it in full.") from error


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename in it survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def saying_what_the_disk_refused(path: Path) -> Iterator[None]:
    """Turn what the file system refuses (no room, no right to write) into one sentence about `path`."""
    try:
        yield
    except OSError as error:
        mend = {
            errno.ENOSPC: "the disk is full; free some space and try again",
            errno.EDQUOT: "the disk quota is used up; free some space and try again",
            errno.EACCES: "writing there is not permitted; choose another folder",
            errno.EPERM: "writing there is not permitted; choose another folder",
            errno.EROFS: "the file system is read-only; choose another folder",
            errno.ENOTDIR: "a part of the path is a file, not a folder; choose another folder",
            errno.EFBIG: "the file would be larger than is allowed here; choose another folder",
        }.get(error.errno or 0)
        if mend is None:
            raise
        raise SouschefError(f"Cannot write {path}: {mend}.") from error
