"""load_engine: what it refuses, each with one sentence, before any model is loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

from agent.engines import DEFAULT_MODEL, adapter_files, load_engine
from tools.errors import SouschefError, UsageError


def test_an_unknown_model_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(SouschefError, match="did you mean smollm2-135m"):
        load_engine("smolm2-135m")


def test_a_path_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SouschefError, match="There is no model at"):
        load_engine(str(tmp_path / "nothing.gguf"))


def test_a_server_without_an_address_or_a_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UsageError, match="set OPENAI_BASE_URL"):
        load_engine("openai/some-model")
    with pytest.raises(UsageError, match="openai/NAME"):
        load_engine("openai/")


def test_options_that_a_model_cannot_take_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match="takes no quantize"):
        load_engine("openai/some-model", base_url="http://127.0.0.1:9/v1", quantize="4bit")
    with pytest.raises(UsageError, match="takes no base_url"):
        load_engine("smollm2-135m", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(UsageError, match="threads is 0"):
        load_engine("smollm2-135m", threads=0)


def test_importing_the_engines_imports_no_heavy_library() -> None:
    heavy = "{'torch', 'transformers', 'xllamacpp', 'openai', 'llguidance', 'huggingface_hub'}"
    code = "import sys, agent.engines, agent.engines.gguf, agent.engines.hf, agent.engines.openai\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}print(sorted({heavy} & set(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_the_adapters_that_come_with_a_model_are_known_before_it_is_loaded() -> None:
    assert [file.parts[-3:] for file in adapter_files(DEFAULT_MODEL)] == [
        ("adapters", "react", "adapter.gguf"),
        ("adapters", "summarizer", "adapter.gguf"),
    ]
    assert adapter_files(f"openai/{DEFAULT_MODEL}") == adapter_files("gpt2-cnn") == ()
