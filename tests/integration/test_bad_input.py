"""Whatever a user can get wrong ends with one sentence and exit 1 or 2, and leaves nothing behind."""

import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.cli import main

SOUP = {"name": "Soup", "ingredients": ["water"], "steps": ["Boil."]}
FILES: dict[str, bytes] = {
    "soup.jsonl": json.dumps(SOUP).encode(),
    "malformed.jsonl": json.dumps(SOUP).encode() + b'\n\n{"name": "Stew", \n',
    "nameless.csv": b"dish,ingredients,steps\nSoup,water,Boil.\n",
    "bare.jsonl": b'{"name": "Stew", "ingredients": [], "steps": ["Boil."]}\n',
    "text.txt": b"Boil water.",
    "binary.bin": bytes(range(256)),
    "latin1.txt": "Crème".encode("latin-1"),
    "empty.txt": b" \n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One file of each kind and an empty folder."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "empty").mkdir()
    return tmp_path


def listing(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


Refused = Callable[..., str]


@pytest.fixture
def refused(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Runs a command that must fail and gives its one sentence."""
    monkeypatch.chdir(folder)

    def run(code: int, *arguments: str) -> str:
        before = listing(folder)
        ended = main(arguments)
        out, err = capsys.readouterr()
        assert (ended, out, listing(folder)) == (code, "", before)
        first, *more = err.splitlines()
        assert more == []
        assert first.startswith("souschef: ")
        return first.removeprefix("souschef: ")

    return run


@pytest.mark.parametrize(
    ("code", "arguments", "sentence"),
    [
        (2, ["ask", ""], "The question is empty: say what you would like to know."),
        (2, ["ask", " \n\t"], "The question is empty: say what you would like to know."),
        (2, ["ask"], 'There is no question: `souschef ask "How do I make banana bread?"`.'),
        (1, ["ask", "What?", "--file", "none.txt"], "none.txt does not exist: check the name."),
        (1, ["ask", "What?", "--file", "empty"], "empty is a folder: name a file in it."),
        (1, ["ask", "What?", "--file", "binary.bin"], "binary.bin is a binary file: give a text file."),
        (1, ["ask", "What?", "--file", "empty.txt"], "empty.txt is empty: give a text."),
        (
            1,
            ["ask", "What?", "--file", "latin1.txt"],
            "latin1.txt is not UTF-8 text: convert it first (iconv -t UTF-8).",
        ),
        (1, ["summarize", "none.txt"], "none.txt does not exist: check the name."),
        (1, ["summarize", "binary.bin"], "binary.bin is a binary file: give a text file."),
        (1, ["summarize", "empty.txt"], "empty.txt is empty: give a text."),
        (
            1,
            ["ask", "What?", "--index", "empty"],
            "empty holds no index: make one with `souschef index build FILE... --out empty`, "
            "or name another folder with --index.",
        ),
        (
            1,
            ["ask", "What?", "--model", "nonesuch"],
            "There is no model named 'nonesuch': `souschef models list` shows all names.",
        ),
        (
            1,
            ["ask", "What?", "--model", "none.gguf"],
            "There is no model at none.gguf: give the path of a .gguf file or of a model folder.",
        ),
        (
            1,
            ["ask", "What?", "--model", "minilm-l6"],
            "minilm-l6 is an embedder and writes no text: choose a language model.",
        ),
        (
            1,
            ["summarize", "text.txt", "--policy", "nonesuch"],
            "There is no model named 'nonesuch': `souschef models list` shows all names.",
        ),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(
    refused: Refused, code: int, arguments: list[str], sentence: str
) -> None:
    assert refused(code, *arguments) == sentence


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["none.jsonl"], "There is no file none.jsonl: check the path."),
        (["empty"], "empty is a folder: give the recipe files in it, such as empty/*.jsonl."),
        (["malformed.jsonl"], "malformed.jsonl, line 3 is not JSON ("),
        (
            ["nameless.csv"],
            "nameless.csv has no column called name or title (found: dish, ingredients, steps): ",
        ),
        (
            ["bare.jsonl"],
            "bare.jsonl, line 1: the recipe 'Stew' has no ingredients: add them or remove it.",
        ),
        (["soup.jsonl", "--embedder", "nonesuch"], "There is no model named 'nonesuch': "),
        (["soup.jsonl", "--embedder", "smollm2-135m"], "smollm2-135m is no embedder; choose "),
    ],
)
def test_recipes_that_cannot_be_indexed_are_refused(
    refused: Refused, arguments: list[str], sentence: str
) -> None:
    assert refused(1, "index", "build", *arguments, "--out", "new").startswith(sentence)


def test_a_binary_file_is_no_recipe_file(folder: Path, refused: Refused) -> None:
    (folder / "binary.bin").rename(folder / "binary.csv")
    sentence = refused(1, "index", "build", "binary.csv", "--out", "new")
    assert sentence == "binary.csv is not a text file: give JSONL, JSON, CSV, TSV or Parquet."


def test_after_a_full_disk_while_saving_the_same_command_works(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    build = ["index", "build", str(folder / "soup.jsonl"), "--out", str(folder / "new")]
    with monkeypatch.context() as disk:
        disk.setattr("tools.files.os.fsync", full)
        assert main(build) == 1
    out, err = capsys.readouterr()
    assert (out, [path.name for path in (folder / "new").iterdir()]) == ("", [".lock"])
    assert re.fullmatch(
        r"souschef: Cannot write .*/new/\S+: the disk is full; free some space and try again\.\n", err
    )
    assert main(build) == 0


@pytest.mark.parametrize("number", ["nan", "inf", "-1", "soup"])
@pytest.mark.parametrize("option", ["--time-limit", "--temperature"])
def test_a_limit_that_is_no_number_is_wrong_usage(
    capsys: pytest.CaptureFixture[str], option: str, number: str
) -> None:
    assert main(["ask", "What?", option, number]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"Error: Invalid value for '{option}'" in err


def souschef(*arguments: str | bytes, **kwargs: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent", *arguments]
    options = {"stdout": subprocess.PIPE, "encoding": "utf-8", **kwargs}
    return subprocess.run(command, stderr=subprocess.PIPE, check=False, **options)  # type: ignore[call-overload, no-any-return]


def test_a_question_of_more_than_100_000_words_is_refused() -> None:
    said = souschef("ask", "-", input="word " * 100_001)
    assert (said.returncode, said.stdout, said.stderr) == (
        2,
        "",
        "souschef: The text has more than 100,000 words: give it in smaller parts.\n",
    )


def test_a_question_longer_than_the_context_is_refused_where_no_tool_can_read_it() -> None:
    said = souschef("ask", "-", "--no-tools", input="word " * 9_000)
    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr.startswith("souschef: The question is longer than ")
    assert said.stderr.count("\n") == 1


def test_output_to_a_full_disk_is_said_in_one_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        said = souschef("models", "list", stdout=full)
    assert (said.returncode, said.stderr) == (
        1,
        "souschef: The disk is full: free some space and try again.\n",
    )


def test_a_question_of_bytes_that_are_no_text_is_answered() -> None:
    said = souschef("ask", b"\xff\xfe soup", "--no-tools", "--max-tokens", "16", "--json")
    assert (said.returncode, said.stderr) == (0, "")
    assert json.loads(said.stdout)["question"] == "?? soup"


def test_a_folder_with_an_embedding_model_is_no_language_model() -> None:
    from agent.engines import load_engine
    from tools.errors import ModelFileError
    from tools.models import model_path

    with pytest.raises(ModelFileError, match="lacks weights of a language model: choose one that writes"):
        load_engine(str(model_path("minilm-l6").path))
