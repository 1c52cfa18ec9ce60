"""Whether a weights file is whole, told from its own header: for files that nobody has stated a hash of.

Reads no weights. A safetensors header gives every tensor's end; a GGUF header gives every tensor's start, and
the last one's length follows from its shape and type (specification: ggml, docs/gguf.md). Altered content of
the right length is not noticed.
"""

import json
import math
import mmap
import struct
from pathlib import Path
from typing import Any

# value type: struct format of a plain number
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
# tensor type: (weights in a block, bytes of a block); for others the last tensor's length is not checked
_BLOCKS = {
    0: (1, 4),
    1: (1, 2),
    2: (32, 18),
    3: (32, 20),
    6: (32, 22),
    7: (32, 24),
    8: (32, 34),
    10: (256, 84),
    11: (256, 110),
    12: (256, 144),
    13: (256, 176),
    14: (256, 210),
    30: (1, 2),
}


def looks_whole(path: Path) -> bool:
    """Whether a .gguf or .safetensors file has the length that its header promises.

    An index of several safetensors files is whole when each of them is.
    """
    if not path.is_file():
        return False
    try:
        if path.name.endswith(".index.json"):
            parts = set(json.loads(path.read_bytes())["weight_map"].values())
            return all(looks_whole(path.parent / part) for part in parts)
        if path.suffix == ".gguf":
            return path.stat().st_size >= _gguf_bytes(path)
        return path.stat().st_size == _safetensors_bytes(path)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error):
        return False  # the header is not what the format says, or is cut off


def _safetensors_bytes(path: Path) -> int:
    with path.open("rb") as file:
        header_bytes = int.from_bytes(file.read(8), "little")
        if header_bytes + 8 > path.stat().st_size:
            raise ValueError("the header is longer than the file")
        header = json.loads(file.read(header_bytes))
    ends = (tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__")
    return 8 + header_bytes + max(ends, default=0)


def _gguf_bytes(path: Path) -> int:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        header = _Header(content)
        if content[:4] != b"GGUF" or header.number("I") not in (2, 3):
            raise ValueError("not a GGUF file")
        tensor_count, value_count = header.number("Q"), header.number("Q")
        alignment = 32
        for _ in range(value_count):
            name = header.string()
            value = header.value(header.number("I"))
            alignment = max(int(value), 1) if name == b"general.alignment" else alignment
        ends = [header.tensor_end() for _ in range(tensor_count)]
        return math.ceil(header.at / alignment) * alignment + max(ends) if ends else header.at


class _Header:
    """A place in a GGUF header that moves on as fields are read."""

    def __init__(self, content: mmap.mmap) -> None:
        self.content = content
        self.at = 4

    def number(self, kind: str) -> Any:
        (value,) = struct.unpack_from(f"<{kind}", self.content, self.at)
        self.at += struct.calcsize(f"<{kind}")
        return value

    def string(self) -> bytes:
        length = self.number("Q")
        if self.at + length > len(self.content):
            raise ValueError("the header is longer than the file")
        self.at += length
        return self.content[self.at - length : self.at]

    def value(self, kind: int) -> Any:
        """A single value; of an array only that it was passed over."""
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            return self.number(_NUMBERS[kind])
        item_kind, count = self.number("I"), self.number("Q")
        if item_kind in _NUMBERS:
            self.at += count * struct.calcsize(f"<{_NUMBERS[item_kind]}")
            return None
        for _ in range(count):
            self.value(item_kind)
        return None

    def tensor_end(self) -> int:
        """Where this tensor ends, counted from the start of the weights."""
        self.string()
        weights = math.prod(int(self.number("Q")) for _ in range(self.number("I")))
        block_weights, block_bytes = _BLOCKS.get(self.number("I"), (1, 0))
        start: int = self.number("Q")
        return start + weights // block_weights * block_bytes


def why_not_loaded(error: Exception) -> str:
    """The end of a sentence on why a library could not load a model: its first line of words, with a stop."""
    if "ignore_mismatched_sizes" in str(error):  # a switch that nobody can set here
        return "its weights have other sizes than its config.json says."
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".") + "."
