"""Reading a GGUF without its vocabulary, against the gguf package's own reader."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from gguf import GGUFReader, GGUFWriter

from tools.gguf_reading import gguf_read_once, read_gguf

TOKENS = [f"tökén {number}" for number in range(1500)]


def written(path: Path, *, vocab_size: bool) -> Path:
    writer = GGUFWriter(path, "llama")
    if vocab_size:
        writer.add_vocab_size(len(TOKENS))
    writer.add_token_list(TOKENS)
    writer.add_token_types([1] * len(TOKENS))
    writer.add_array("llama.rope.sections", [1, 2, 3])
    writer.add_float32("general.scale", 0.5)
    writer.add_chat_template("{{ messages }}")
    writer.add_tensor("a.weight", np.arange(64, dtype=np.float32).reshape(2, 32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def values(reader: Any, but: str = "tokenizer.ggml.t") -> dict[str, Any]:
    return {name: field.contents() for name, field in reader.fields.items() if not name.startswith(but)}


def test_all_but_the_vocabulary_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gguf", vocab_size=True)
    whole, lean = GGUFReader(path), read_gguf(path)
    assert list(lean.fields) == list(whole.fields)
    assert values(lean) == values(whole)
    assert len(lean.fields["tokenizer.ggml.tokens"].data) == 0
    assert len(lean.fields["tokenizer.ggml.token_type"].data) == 0
    (tensor,), (same,) = lean.tensors, whole.tensors
    assert tensor.name == same.name
    assert (tensor.data == same.data).all()


def test_a_vocabulary_that_says_its_size_itself_is_read_whole(tmp_path: Path) -> None:
    reader = read_gguf(written(tmp_path / "a.gguf", vocab_size=False))
    assert reader.fields["tokenizer.ggml.tokens"].contents() == TOKENS


def test_a_file_is_read_once_within_the_context_alone(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gguf", vocab_size=True)
    package: Any = gguf
    with gguf_read_once(path):
        assert package.GGUFReader(str(path)) is package.GGUFReader(str(path))
    with pytest.raises(OSError, match="stopped"), gguf_read_once(path):
        raise OSError("stopped")
    with gguf_read_once(tmp_path / "folder"):
        assert package.GGUFReader is GGUFReader
    assert package.GGUFReader is GGUFReader
