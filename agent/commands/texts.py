"""Read a text that the user names: a file, or standard input."""

import stat
import sys
from pathlib import Path
from typing import BinaryIO

from tools.errors import SouschefError

_MAX_BYTES = 20_000_000


def read_text(path: Path | None) -> str:
    """The text of a file, or of standard input where `path` is None; "-" is standard input too.

    Raises SouschefError for what is missing, not readable, no file or pipe, too large, binary or empty.
    """
    name = "standard input" if path is None or str(path) == "-" else str(path)
    data = _bytes(path, name)
    if b"\0" in data:
        raise SouschefError(f"{name} is a binary file: give a text file.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SouschefError(f"{name} is not UTF-8 text: convert it first (iconv -t UTF-8).") from error
    if not text.strip():
        raise SouschefError(f"{name} is empty: give a text.")
    return text


def _bytes(path: Path | None, name: str) -> bytes:
    if path is None or str(path) == "-":
        if sys.stdin is None:
            raise SouschefError("Standard input is closed: name a file instead, or pipe the text in.")
        return _read(sys.stdin.buffer, name)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise SouschefError(f"{path} is a folder: name a file in it.")
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise SouschefError(f"{path} is neither a file nor a pipe: give a text file.")
        with path.open("rb") as file:
            return _read(file, name)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SouschefError(f"{path} does not exist: check the name.") from error
    except PermissionError as error:
        raise SouschefError(f"{path} may not be read: give yourself the right to (chmod u+r).") from error


def _read(file: BinaryIO, name: str) -> bytes:
    """All of a file or stream; one byte more than the limit is enough to see that it is too large."""
    data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise SouschefError(f"{name} is larger than {_MAX_BYTES // 1_000_000} MB: give it in smaller parts.")
    return data
