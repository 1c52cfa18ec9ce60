"""Adding a LoRA to a GGUF's weights, against NumPy, with the real reader and writer; and keeping it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from gguf import GGUFReader, GGUFWriter
from gguf.quants import dequantize, quantize

from tools.errors import ModelFileError, SouschefError
from tools.gguf_merge import write_merged
from tools.merged_models import merged_model

RANK, ALPHA = 4, 12.0
RNG = np.random.default_rng(0)
Q4 = quantize(RNG.normal(size=(48, 64)).astype(np.float32), Type.Q4_1)
FLOAT = RNG.normal(size=(48, 64)).astype(np.float32)
OTHER = quantize(RNG.normal(size=(8, 96)).astype(np.float32), Type.Q8_0)
DOWN = RNG.normal(size=(RANK, 64)).astype(np.float16)
UP = RNG.normal(size=(48, RANK)).astype(np.float16)
CHANGE = UP.astype(np.float32) @ DOWN.astype(np.float32) * (ALPHA / RANK)


def write(path: Path, tensors: Mapping[str, tuple[Any, Type | None]], **values: float) -> Path:
    writer = GGUFWriter(path, "llama")
    writer.add_token_list(["salt", "pepper", "ä"])
    writer.add_custom_alignment(64)
    for name, value in values.items():
        writer.add_float32(name.replace("__", "."), value)
    for name, (data, kind) in tensors.items():
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write(
        tmp_path / "base.gguf",
        {"a.weight": (Q4, Type.Q4_1), "b.weight": (FLOAT, None), "c.weight": (OTHER, Type.Q8_0)},
        general__scale=0.5,
    )


def adapter(path: Path, *names: str, alpha: float = ALPHA) -> Path:
    halves = {f"{name}.lora_a": (DOWN, None) for name in names}
    halves |= {f"{name}.lora_b": (UP, None) for name in names}
    return write(path, halves, adapter__lora__alpha=alpha)


def read(path: Path) -> dict[str, Any]:
    return {tensor.name: tensor for tensor in GGUFReader(path).tensors}


def test_the_product_is_added_and_nothing_else_changes(tmp_path: Path, base: Path) -> None:
    lora = adapter(tmp_path / "lora.gguf", "a.weight", "b.weight")
    write_merged(base, lora, tmp_path / "merged.gguf")
    merged = read(tmp_path / "merged.gguf")
    assert list(merged) == ["a.weight", "b.weight", "c.weight"]
    assert merged["a.weight"].tensor_type == Type.Q8_0
    expected = quantize(dequantize(Q4, Type.Q4_1) + CHANGE, Type.Q8_0)
    assert np.array_equal(merged["a.weight"].data, expected)
    assert merged["b.weight"].tensor_type == Type.F32
    assert np.allclose(merged["b.weight"].data, FLOAT + CHANGE, rtol=0, atol=1e-5)
    assert np.array_equal(merged["c.weight"].data, OTHER)
    before, after = GGUFReader(base).fields, GGUFReader(tmp_path / "merged.gguf").fields
    kept = [name for name in before if not name.startswith("GGUF.")]
    assert [before[name].contents() for name in kept] == [after[name].contents() for name in kept]


def test_an_alpha_of_nought_means_that_of_the_rank(tmp_path: Path, base: Path) -> None:
    lora = adapter(tmp_path / "lora.gguf", "b.weight", alpha=0.0)
    write_merged(base, lora, tmp_path / "merged.gguf")
    change = CHANGE * RANK / ALPHA
    assert np.allclose(read(tmp_path / "merged.gguf")["b.weight"].data, FLOAT + change, rtol=0, atol=1e-5)


def test_an_adapter_to_another_model_is_refused(tmp_path: Path, base: Path) -> None:
    lora = adapter(tmp_path / "lora.gguf", "a.weight", "z.weight")
    with pytest.raises(ModelFileError, match=r"lora\.gguf is no adapter to .*, which has no z\.weight\.$"):
        write_merged(base, lora, tmp_path / "merged.gguf")
    assert not (tmp_path / "merged.gguf").exists()


# ---- kept in the cache


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOUSCHEF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_merged_model_is_made_once(
    tmp_path: Path, base: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lora = adapter(tmp_path / "lora.gguf", "a.weight")
    first = merged_model("small-react", base, "r1", lora)
    assert first.is_relative_to(cache)
    made = first.stat().st_ino
    assert merged_model("small-react", base, "r1", lora) == first
    assert first.stat().st_ino == made
    assert capsys.readouterr().err == "Preparing small-react, once ...\n"


@pytest.mark.parametrize("change", ["revision", "adapter", "a flipped byte", "half the file", "no record"])
def test_it_is_made_again_where_anything_has_changed(
    tmp_path: Path, base: Path, cache: Path, change: str
) -> None:
    lora, revision = adapter(tmp_path / "lora.gguf", "a.weight"), "r1"
    path = merged_model("small-react", base, revision, lora)
    content, made = path.read_bytes(), path.stat().st_ino
    if change == "revision":
        revision = "r2"
    elif change == "adapter":
        adapter(lora, "a.weight", alpha=1.0)
    elif change == "a flipped byte":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif change == "half the file":
        path.write_bytes(content[: len(content) // 2])
    else:
        (path.parent / "souschef.json").unlink()
    again = merged_model("small-react", base, revision, lora)
    assert again == path
    assert again.stat().st_ino != made
    assert (again.read_bytes() == content) is (change != "adapter")
    assert [one.name for one in (cache / "merged").iterdir()] == ["small-react"]


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path, base: Path, cache: Path) -> None:
    cache.write_text("a file where the cache should be")
    with pytest.raises(SouschefError, match=r"^Cannot write .*: a part of the path is a file, not a folder"):
        merged_model("small-react", base, "r1", adapter(tmp_path / "lora.gguf", "a.weight"))
