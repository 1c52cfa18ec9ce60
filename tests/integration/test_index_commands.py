"""`souschef index` from the command line, with the embedded embedder."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.cli import main

RECIPES = [
    {"uid": "1", "name": "Omelette", "ingredients": ["3 eggs"], "steps": ["Fry."], "tags": ["breakfast"]},
    {"uid": "2", "name": "Walnut brittle", "ingredients": ["walnuts", "sugar"], "steps": ["Melt."]},
    {"uid": "3", "name": "Tomato soup", "ingredients": ["4 tomatoes"], "steps": ["Simmer."]},
]


@dataclass(frozen=True)
class Said:
    """What a command ended with and said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Shell:
    """Runs `souschef index ...`."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Said:
        self._capsys.readouterr()
        code = main(["index", *map(str, arguments)])
        return Said(code, *self._capsys.readouterr())


@pytest.fixture
def souschef_index(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


def recipe_file(path: Path, recipes: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(recipe) + "\n" for recipe in recipes))
    return path


@pytest.fixture
def folder(tmp_path: Path, souschef_index: Shell) -> Path:
    souschef_index("build", recipe_file(tmp_path / "three.jsonl", RECIPES), "--out", tmp_path / "my index")
    return tmp_path / "my index"


def test_build_says_what_it_built(tmp_path: Path, souschef_index: Shell) -> None:
    file = recipe_file(tmp_path / "three.jsonl", RECIPES)
    said = souschef_index("build", file, "--out", tmp_path / "new", "--json")
    assert (said.code, said.err) == (0, "")
    assert said.json["recipes"] == 3
    assert (said.json["embedder"], said.json["dimension"], said.json["search"]) == ("minilm-l6", 384, "exact")
    assert said.json["replaced"] is False
    again = souschef_index("build", file, "--out", tmp_path / "new", "--ann", "hnsw")
    assert again.out.startswith(f"Replaced the index in {tmp_path / 'new'}")
    assert "search        hnsw\nrecall_at_10  1.0\n" in again.out


def test_search_prints_one_list_of_hits(folder: Path, souschef_index: Shell) -> None:
    said = souschef_index("search", "an egg dish", "-k", 2, "--index", folder, "--json")
    first, second = said.json
    assert list(first) == ["rank", "uid", "name", "score", "text"]
    assert (first["rank"], first["uid"], first["name"]) == (1, "1", "Omelette")
    assert first["text"] == "Omelette\n\n3 eggs\n\nFry."
    assert 1 >= first["score"] > second["score"] >= -1


@pytest.mark.parametrize("mode", ["dense", "lexical", "hybrid"])
def test_every_mode_finds_the_soup(folder: Path, souschef_index: Shell, mode: str) -> None:
    said = souschef_index("search", "tomato soup", "--mode", mode, "-k", 1, "--index", folder, "--json")
    assert [hit["uid"] for hit in said.json] == ["3"]


def test_search_leaves_out_what_is_to_be_avoided(folder: Path, souschef_index: Shell) -> None:
    avoiding = ["--avoid", "nuts", "--avoid", "egg"]
    said = souschef_index("search", "walnuts", *avoiding, "--index", folder, "--json")
    assert [hit["uid"] for hit in said.json] == ["3"]
    tagged = souschef_index("search", "walnuts", "--tag", "Breakfast", "--index", folder, "--json")
    assert [hit["uid"] for hit in tagged.json] == ["1"]


def test_search_shows_hits_to_people(folder: Path, souschef_index: Shell) -> None:
    said = souschef_index("search", "soup", "--mode", "lexical", "--index", folder)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[0].startswith("1. Tomato soup  ")
    assert said.out.splitlines()[1] == "   4 tomatoes"
    none = souschef_index("search", "soup", "--tag", "none", "--index", folder)
    assert none.out == "No recipe matches: search for something else, or with fewer --tag and --avoid.\n"


def test_add_and_delete_count_what_they_did(tmp_path: Path, folder: Path, souschef_index: Shell) -> None:
    changed = recipe_file(
        tmp_path / "more.jsonl",
        [RECIPES[0], RECIPES[1] | {"name": "Brittle"}, RECIPES[2] | {"uid": "4"}],
    )
    added = souschef_index("add", changed, "--index", folder, "--json")
    assert added.json == {"added": 1, "updated": 1, "unchanged": 1, "count": 4}
    assert souschef_index("delete", "1", "4", "--index", folder, "--json").json == {"deleted": 2, "count": 2}
    missing = souschef_index("delete", "2", "no-such", "--index", folder)
    assert (missing.code, missing.out) == (1, "")
    assert "There is no recipe 'no-such'" in missing.err
    assert souschef_index("info", "--index", folder, "--json").json["recipes"] == 2


def test_verify_tells_a_whole_index_from_a_damaged_one(folder: Path, souschef_index: Shell) -> None:
    assert souschef_index("verify", "--index", folder).out == f"{folder} is whole: 3 recipes.\n"
    damaged = folder / "vectors-1.faiss"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\0")
    for command in (["verify"], ["info"], ["search", "soup"], ["delete", "1"]):
        said = souschef_index(*command, "--index", folder)
        assert (said.code, said.out) == (1, "")
        assert said.err == (
            f"souschef: {damaged} is damaged (its checksum differs): rebuild the index with "
            f"`souschef index build FILE... --out '{folder}'`.\n"
        )


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["search", "", "--index", "{folder}"], 2, "The query is empty"),
        (["search", "soup", "-k", "0", "--index", "{folder}"], 2, "ask for at least 1"),
        (["search", "soup", "--mode", "best", "--index", "{folder}"], 2, "'best' is not one of"),
        (["search", "soup", "--index", "{tmp}"], 1, "holds no index: make one with"),
        (["info", "--index", "{tmp}/none"], 1, "holds no index: make one with"),
        (["build", "{tmp}/none.jsonl", "--out", "{tmp}/out"], 1, "none.jsonl"),
        (["build", "{tmp}/three.jsonl", "--out", "{tmp}"], 1, "holds "),
        (
            ["build", "{tmp}/three.jsonl", "--out", "{tmp}/out", "--embedder", "minilm"],
            1,
            "did you mean minilm-l6",
        ),
        (["build", "{tmp}/three.jsonl", "--out", "{folder}", "--embedder", "{model}"], 1, "add --force"),
        (["build", "--out", "{tmp}/out"], 2, "Missing argument"),
        (["add", "{tmp}/three.jsonl"], 2, "Missing option '--index'"),
    ],
)
def test_mistakes_get_one_sentence(
    tmp_path: Path, folder: Path, souschef_index: Shell, arguments: list[str], code: int, sentence: str
) -> None:
    from tools.models import model_path

    places = {"tmp": tmp_path, "folder": folder, "model": model_path("minilm-l6").path}
    said = souschef_index(*(argument.format(**places) for argument in arguments))
    assert (said.code, said.out) == (code, "")
    assert sentence in said.err
    assert not (tmp_path / "out").exists()


def test_info_and_search_by_words_never_load_torch(folder: Path) -> None:
    script = (
        "import sys; from agent.cli import main; "
        f"main(['index', 'info', '--index', {str(folder)!r}]); "
        f"main(['index', 'search', 'soup', '--mode', 'lexical', '--index', {str(folder)!r}]); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, capture_output=True).returncode == 0


def test_a_killed_build_continues_with_the_same_command(tmp_path: Path) -> None:
    recipes = [
        {"uid": str(n), "name": f"Soup {n}", "ingredients": ["water " * 10], "steps": [f"Boil {n}."]}
        for n in range(400)
    ]
    file, out = recipe_file(tmp_path / "400.jsonl", recipes), tmp_path / "out"
    command = [sys.executable, "-m", "agent", "index", "build", str(file), "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=os.environ) as first:
        while not list(out.glob(".parts/*/*.safetensors")):
            assert first.poll() is None
            time.sleep(0.02)
        first.send_signal(signal.SIGKILL)
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    left = int(again.stderr.split()[1])  # "Embedding 272 recipes ..."
    assert left <= 400 - 128
    assert "recipes       400\n" in again.stdout
    assert not (out / ".parts").exists()
