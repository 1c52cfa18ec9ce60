"""Read a text that the user names: a file, or standard input."""

import sys
from pathlib import Path

from tools.errors import SouschefError

_MAX_BYTES = 20_000_000


def read_text(path: Path | None) -> str:
    """The text of a file, or of standard input where `path` is None; "-" is standard input too.

    Raises SouschefError for a file that is missing, not readable, too large, binary or empty.
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
    if name == "standard input":
        return sys.stdin.buffer.read(_MAX_BYTES)
    assert path is not None
    if not path.exists():
        raise SouschefError(f"{path} does not exist: check the name.")
    if path.is_dir():
        raise SouschefError(f"{path} is a folder: name a file in it.")
    if path.stat().st_size > _MAX_BYTES:
        raise SouschefError(f"{path} is larger than {_MAX_BYTES // 1_000_000} MB: give it in smaller parts.")
    try:
        return path.read_bytes()
    except PermissionError as error:
        raise SouschefError(f"{path} may not be read: give yourself the right to (chmod u+r).") from error
