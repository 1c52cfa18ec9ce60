"""What is held over all of the shipped recipes, all modules or a whole megabyte, and so is no unit test."""

import gzip
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.loops import is_looping
from tools.data import make_recipes
from tools.recipes import embedded_recipes
from tools.untrusted import neutralise

ROOT = Path(__file__).parents[2]
LAYERS = ("agent", "tools", "training", "prompts")
HEAVY = {
    "torch", "transformers", "faiss", "sentence_transformers", "xllamacpp", "huggingface_hub", "bm25s",
    "pyarrow", "bitsandbytes", "trl", "peft", "llguidance", "pandas", "scipy", "sklearn", "datasets",
    "accelerate", "rouge_score", "gguf", "jinja2", "tensorboard", "pytrec_eval",
}  # fmt: skip


def test_no_shipped_recipe_is_taken_for_a_loop() -> None:
    texts = [recipe.text() for recipe in embedded_recipes()]
    looping = [text for text in texts if any(is_looping(text[:end]) for end in range(0, len(text) + 64, 64))]
    assert looping == []


def test_the_shipped_file_is_what_its_script_makes_of_the_collection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = Path("../shared/data/recipes/embedded.jsonl")
    if not collection.exists() and "CI" not in os.environ:
        pytest.skip(f"{collection}, which the shipped recipes are made from, is not here")
    monkeypatch.setattr("sys.argv", ["make_recipes.py", str(collection)])
    monkeypatch.setattr(make_recipes, "OUTPUT", tmp_path / "recipes.jsonl.gz")
    make_recipes.main()
    made = gzip.decompress((tmp_path / "recipes.jsonl.gz").read_bytes())
    assert made == gzip.decompress(Path("tools/data/recipes.jsonl.gz").read_bytes())


@pytest.mark.parametrize(
    "piece", ["x", "\n", " ", "---\n", "< ", "<", "|", "system ", ":", "action ", "\u200b"]
)
def test_a_megabyte_of_anything_takes_no_longer_than_a_moment(piece: str) -> None:
    text = "<system " + piece * (1_000_000 // len(piece))
    started = time.perf_counter()
    neutralise(text)
    assert time.perf_counter() - started < 5


def test_importing_everything_loads_nothing_heavy() -> None:
    files = [path.relative_to(ROOT) for layer in LAYERS for path in (ROOT / layer).rglob("*.py")]
    modules = [".".join(path.with_suffix("").parts) for path in files if path.stem[:2] != "__"]
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert len(modules) > 100
    assert HEAVY & set(loaded.stdout.split()) == set()
