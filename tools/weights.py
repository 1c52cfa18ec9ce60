"""Whether a weights file is whole, told from its own header: for files that nobody has stated a hash of.

Reads no weights. A safetensors header gives every tensor's end; a GGUF header gives every tensor's start, and
the last one's length follows from its shape and type. Altered content of the right length is not noticed.
"""

import json
import struct
from pathlib import Path

from tools.gguf_header import BLOCKS, TensorInfo, byte_count, read_header


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
    header = read_header(path)
    return header.weights_start + max(map(_end, header.tensors)) if header.tensors else header.end


def _end(tensor: TensorInfo) -> int:
    """Where a tensor ends, counted from the start of the weights; its start where its type is not known."""
    return tensor.start + (byte_count(tensor.sizes, tensor.kind) if tensor.kind in BLOCKS else 0)


def why_not_loaded(error: Exception) -> str:
    """The end of a sentence on why a library could not load a model: its first line of words, with a stop."""
    if "ignore_mismatched_sizes" in str(error):  # a switch that nobody can set here
        return "its weights have other sizes than its config.json says."
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".") + "."
