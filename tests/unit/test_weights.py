"""Whether a weights file is whole: cut anywhere, it is not; files of the real writers are."""

import json
import os
import struct
from pathlib import Path

import pytest

from tools.weights import looks_whole


def string(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def gguf(kind: int = 0, data_bytes: int = 4 * 64 * 2) -> bytes:
    """Two values, an array of strings, and one tensor of 64 x 2 weights."""
    values = string("general.alignment") + struct.pack("<II", 4, 64)
    values += string("tokens") + struct.pack("<IIQ", 9, 8, 2) + string("salt") + string("pepper")
    tensor = string("w") + struct.pack("<IQQIQ", 2, 64, 2, kind, 0)
    header = b"GGUF" + struct.pack("<IQQ", 3, 1, 2) + values + tensor
    return header + bytes(-len(header) % 64) + bytes(data_bytes)


def safetensors() -> bytes:
    header = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]},
            "b": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        }
    ).encode()
    return len(header).to_bytes(8, "little") + header + bytes(16)


@pytest.mark.parametrize(("name", "content"), [("m.gguf", gguf()), ("m.safetensors", safetensors())])
def test_a_file_is_whole_and_cut_at_any_byte_it_is_not(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert looks_whole(path)
    for length in [*range(0, len(content), 7), len(content) - 1]:
        path.write_bytes(content[:length])
        assert not looks_whole(path), length


def test_the_length_of_quantized_tensors_is_known(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf(kind=3, data_bytes=128 // 32 * 20))  # Q4_1: 32 weights in 20 bytes
    assert looks_whole(path)
    path.write_bytes(gguf(kind=3, data_bytes=128 // 32 * 20 - 1))
    assert not looks_whole(path)


def test_an_index_is_whole_when_every_part_is(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}))
    (tmp_path / "1.safetensors").write_bytes(safetensors())
    assert not looks_whole(index)
    (tmp_path / "2.safetensors").write_bytes(safetensors())
    assert looks_whole(index)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip", b"GGUF" + b"\xff" * 90, b"\xff" * 90])
@pytest.mark.parametrize("name", ["m.gguf", "m.safetensors", "m.safetensors.index.json"])
def test_something_else_under_that_name_is_not_whole(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert not looks_whole(tmp_path / name)


def test_a_real_vocabulary_file_is_whole() -> None:
    path = Path("../shared/data/tokenizers/phi3/ggml-vocab-phi-3.gguf")
    if not path.exists() and "CI" not in os.environ:
        pytest.skip(f"{path}, a file by llama.cpp's own writer, is not here")
    assert looks_whole(path)
