"""Several processes at one index: writers wait and lose nothing, readers see all of a write or nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from index_writer import SlowEmbeddings, recipes

from tools.index import RecipeIndex
from tools.index_files import only_writer

WRITER = Path(__file__).with_name("index_writer.py")
BASE, EACH, WRITERS = 10, 300, 3


def start(folder: Path, command: str) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    environment = os.environ | {"PYTHONPATH": str(WRITER.parents[2])}
    started = subprocess.Popen(
        [sys.executable, str(WRITER), str(folder)],
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        text=True,
        env=environment,
    )
    assert started.stdin is not None
    started.stdin.write(command + "\n")
    started.stdin.flush()
    return started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    RecipeIndex.build(recipes(0, BASE), tmp_path / "index", SlowEmbeddings(), progress=False)
    return tmp_path / "index"


def test_processes_adding_at_once_lose_nothing(folder: Path) -> None:
    starts = range(BASE, BASE + WRITERS * EACH, EACH)
    adding = [start(folder, f"add {first} {first + EACH}") for first in starts]
    assert [process.communicate(timeout=60)[0] for process in adding] == ["0\n"] * WRITERS
    index = RecipeIndex.load(folder)
    assert index.count == BASE + WRITERS * EACH
    assert len(index.get_by_ids([f"r{n}" for n in range(index.count)])) == index.count


def test_a_second_writer_says_that_it_waits_and_then_works_on_what_the_first_wrote(folder: Path) -> None:
    with only_writer(folder):
        waiting = start(folder, f"add {BASE} {BASE + 1}")
        assert waiting.stderr is not None
        said = waiting.stderr.readline()
        first = RecipeIndex.load(folder, SlowEmbeddings())
        first.add(recipes(BASE + 1, BASE + 2))
        first._write(folder)
    assert waiting.communicate(timeout=60)[0] == "0\n"
    assert said == f"Waiting for another Souschef that is writing to {folder} ...\n"
    assert RecipeIndex.load(folder).count == BASE + 2


def test_a_reader_sees_one_generation_while_others_write(folder: Path) -> None:
    counts = []
    with start(folder, "\n".join(f"add {BASE + n} {BASE + n + 1}" for n in range(12))) as writing:
        assert writing.stdin is not None
        writing.stdin.close()
        while writing.poll() is None:
            counts.append(RecipeIndex.load(folder).count)
    assert writing.returncode == 0
    assert counts == sorted(counts)
    assert len(set(counts)) > 3  # it read while they wrote
