"""results.jsonl: one line a case, on disk before the next case is begun.

A process killed while it wrote leaves a torn last line, which the next one cuts off. Left out: damage of any
other kind, which is named and left to the user.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.errors import SouschefError
from tools.files import append_line

RESULTS = "results.jsonl"


def read_results(path: Path) -> list[dict[str, Any]]:
    """The results of a file in the order of their lines, without a torn last one; none without a file.

    Raises SouschefError, which names the line, for one that holds no result.
    """
    if not path.is_file():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]  # after the last line break there is nothing, or a torn line
    return [_result(path, number, line) for number, line in enumerate(lines, start=1)]


def append_result(path: Path, result: Mapping[str, Any]) -> None:
    """Write a result to disk. Raises ValueError for numbers that JSON has no word for, such as NaN."""
    line = json.dumps(result, ensure_ascii=False, allow_nan=False)
    append_line(path, line.encode("utf-8", "replace"))


def _result(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not (isinstance(found, dict) and isinstance(found.get("id"), str)):
        raise SouschefError(f"{path}, line {number} holds no result: remove that line and use --resume.")
    return found
