"""The header of a GGUF file: what tensors it has, of which type, and where they lie (ggml, docs/gguf.md).

Read in a fraction of a second: the gguf package makes an array of every token of a vocabulary first, which
takes seconds. Left out: the values themselves, such as vocabularies, which are only passed over.
"""

import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAGIC = b"GGUF"
# tensor type: (weights in a block, bytes of a block)
BLOCKS = {
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

# value type: struct format of a plain number
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, ARRAY = 8, 9
_ALIGNMENT = 32  # where the header does not say


@dataclass(frozen=True)
class TensorInfo:
    """One tensor: its sizes, fastest first as GGUF has them, and its start, counted from the weights' own."""

    name: str
    sizes: tuple[int, ...]
    kind: int  # ggml's number of the type
    start: int


@dataclass(frozen=True)
class GgufHeader:
    """What stands before the weights; `values` is where the values' bytes begin and end."""

    version: int
    value_count: int
    values: tuple[int, int]
    tensors: tuple[TensorInfo, ...]
    alignment: int
    end: int

    @property
    def weights_start(self) -> int:
        """Where the weights begin in the file."""
        return aligned(self.end, self.alignment)


def aligned(place: int, alignment: int) -> int:
    """The next place, counted in bytes, where a tensor may begin.

    >>> aligned(65, 32)
    96
    """
    return -(-place // alignment) * alignment


def byte_count(sizes: tuple[int, ...], kind: int) -> int:
    """Bytes of a tensor with these sizes in a type of BLOCKS.

    >>> byte_count((64, 2), 8)
    136
    """
    block_weights, block_bytes = BLOCKS[kind]
    return math.prod(sizes) // block_weights * block_bytes


def read_header(path: Path) -> GgufHeader:
    """The header of a .gguf file; ValueError, KeyError or struct.error where it is none or is cut off."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        reader = _Reader(content)
        version = reader.number("I")
        if content[:4] != MAGIC or version not in (2, 3):
            raise ValueError("not a GGUF file")
        tensor_count, value_count = reader.number("Q"), reader.number("Q")
        values_start, alignment = reader.at, _ALIGNMENT
        for _ in range(value_count):
            name = reader.string()
            value = reader.value(reader.number("I"))
            alignment = max(int(value), 1) if name == b"general.alignment" else alignment
        values = values_start, reader.at
        tensors = tuple(reader.tensor() for _ in range(tensor_count))
        return GgufHeader(version, value_count, values, tensors, alignment, reader.at)


def end_of_array(content: mmap.mmap | memoryview, start: int) -> int:
    """Where an array's value ends that starts, with the type of its elements, at this byte."""
    reader = _Reader(content, start)
    reader.value(ARRAY)
    return reader.at


class _Reader:
    """A place in a header that moves on as fields are read."""

    def __init__(self, content: mmap.mmap | memoryview, at: int = 4) -> None:
        self.content = content
        self.at = at

    def number(self, kind: str) -> Any:
        (value,) = struct.unpack_from(f"<{kind}", self.content, self.at)
        self.at += struct.calcsize(f"<{kind}")
        return value

    def string(self) -> bytes:
        length = self.number("Q")
        if self.at + length > len(self.content):
            raise ValueError("the header is longer than the file")
        self.at += length
        return bytes(self.content[self.at - length : self.at])

    def value(self, kind: int) -> Any:
        """A single value; of an array only that it was passed over."""
        if kind == _STRING:
            return self.string()
        if kind != ARRAY:
            return self.number(_NUMBERS[kind])
        item_kind, count = self.number("I"), self.number("Q")
        if item_kind in _NUMBERS:
            self.at += count * struct.calcsize(f"<{_NUMBERS[item_kind]}")
            return None
        for _ in range(count):
            self.value(item_kind)
        return None

    def tensor(self) -> TensorInfo:
        name = self.string().decode()
        sizes = tuple(int(self.number("Q")) for _ in range(self.number("I")))
        return TensorInfo(name, sizes, self.number("I"), self.number("Q"))
