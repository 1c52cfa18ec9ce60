"""A GGUF model with a LoRA adapter added to its weights: W + alpha / rank * B A (Hu et al. 2021).

llama.cpp can add an adapter while it computes, which costs four small steps for each matrix of each token: a
quarter of the speed of a model of this size. Quantized matrices that change become Q8_0, since the grid of
four bits is wider than most of what an adapter changes; everything else is copied as it is.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tools.errors import ModelFileError
from tools.files import atomic_write
from tools.gguf_header import MAGIC, GgufHeader, TensorInfo, aligned, byte_count, read_header

if TYPE_CHECKING:
    from numpy.typing import NDArray

_Q8_0 = 8
_FLOATS = (0, 1, 30)  # F32, F16, BF16


@dataclass(frozen=True)
class _Part:
    """One tensor of the file to be: its type, its bytes, and how these are made."""

    tensor: TensorInfo
    kind: int
    size: int
    content: "Callable[[], bytes]"


def write_merged(base: Path, adapter: Path, out: Path) -> None:
    """Write `base` with `adapter` added to `out`, atomically; ModelFileError where they do not fit."""
    import numpy as np

    header, changes = read_header(base), _changes(adapter)
    if missing := sorted(changes.keys() - {tensor.name for tensor in header.tensors}):
        raise ModelFileError(f"{adapter} is no adapter to {base}, which has no {missing[0]}.")
    content = np.memmap(base, np.uint8, "r")
    parts = [_part(tensor, header, content, changes.get(tensor.name)) for tensor in header.tensors]
    with atomic_write(out) as file:
        _write_header(file, header, content, parts)
        for part in parts:
            _pad(file, header.alignment)
            file.write(part.content())


def _changes(adapter: Path) -> "Mapping[str, Callable[[], NDArray[Any]]]":
    """What is to be added to each matrix (out, in), by the matrix's name."""
    import gguf

    reader: Any = gguf.GGUFReader(adapter)
    alpha = float(reader.get_field("adapter.lora.alpha").contents())
    halves = {tensor.name: tensor.data for tensor in reader.tensors}
    names = {name.removesuffix(".lora_a") for name in halves if name.endswith(".lora_a")}
    return {
        name: partial(_change, halves[f"{name}.lora_a"], halves[f"{name}.lora_b"], alpha) for name in names
    }


def _change(down: "NDArray[Any]", up: "NDArray[Any]", alpha: float) -> "NDArray[Any]":
    """The adapter's product of `up` (out, rank) and `down` (rank, in), in float32."""
    rank = down.shape[0]
    product: NDArray[Any] = up.astype("float32") @ down.astype("float32")
    product *= (alpha or rank) / rank
    return product


def _part(
    tensor: TensorInfo,
    header: GgufHeader,
    content: "NDArray[Any]",
    change: "Callable[[], NDArray[Any]] | None",
) -> _Part:
    start = header.weights_start + tensor.start
    old = content[start : start + byte_count(tensor.sizes, tensor.kind)]
    if change is None:
        return _Part(tensor, tensor.kind, old.size, old.tobytes)
    kind = tensor.kind if tensor.kind in _FLOATS else _Q8_0
    return _Part(tensor, kind, byte_count(tensor.sizes, kind), partial(_added, tensor, old, kind, change))


def _added(tensor: TensorInfo, old: "NDArray[Any]", kind: int, change: "Callable[[], NDArray[Any]]") -> bytes:
    """The matrix with its change, in the bytes of its new type."""
    from gguf import GGMLQuantizationType as Type
    from gguf.quants import dequantize, quantize

    width, height = tensor.sizes
    matrix: NDArray[Any] = dequantize(old.reshape(height, -1), Type(tensor.kind)).reshape(height, width)
    return quantize(matrix + change(), Type(kind)).tobytes()


def _write_header(file: IO[bytes], header: GgufHeader, content: "NDArray[Any]", parts: "list[_Part]") -> None:
    first, last = header.values
    file.write(MAGIC + struct.pack("<IQQ", header.version, len(parts), header.value_count))
    file.write(content[first:last].tobytes())
    for part, start in zip(parts, _starts(parts, header.alignment), strict=True):
        name, sizes = part.tensor.name.encode(), part.tensor.sizes
        file.write(struct.pack(f"<Q{len(name)}sI", len(name), name, len(sizes)))
        file.write(struct.pack(f"<{len(sizes)}QIQ", *sizes, part.kind, start))


def _starts(parts: "list[_Part]", alignment: int) -> Iterator[int]:
    start = 0
    for part in parts:
        yield start
        start = aligned(start + part.size, alignment)


def _pad(file: IO[bytes], alignment: int) -> None:
    place = file.tell()
    file.write(bytes(aligned(place, alignment) - place))
