"""kill -9 at any point of a build or an add: the index that was there before still loads and answers."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from index_writer import SlowEmbeddings, recipes

from tools.index import RecipeIndex

WRITER = Path(__file__).with_name("index_writer.py")
KILLED = -signal.SIGKILL
BASE, GROWN = 40, 1_000  # recipes before, and after the write that is killed


class Writer:
    """Runs writes in processes that can be killed."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, command: str) -> int:
        """The exit code of a write."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def writing(folder: Path) -> Iterator[Writer]:
    command = [sys.executable, str(WRITER), str(folder)]
    environment = os.environ | {"PYTHONPATH": str(WRITER.parents[2])}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        yield Writer(process)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    RecipeIndex.build(recipes(0, BASE), tmp_path / "index", SlowEmbeddings(), progress=False)
    return tmp_path / "index"


def restore(folder: Path, files: dict[str, bytes]) -> None:
    """Put these files back in place of all others; parts of builds stay."""
    for path in folder.iterdir():
        if path.is_file() and path.name not in files:
            path.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def assert_whole(folder: Path) -> int:
    """The index loads, has the recipes of before or of after, and finds them."""
    index = RecipeIndex.load(folder, SlowEmbeddings())
    assert index.count in (BASE, GROWN)
    for number in (0, BASE - 1, index.count - 1):
        [hit] = index.search(recipes(number, number + 1)[0].text(), k=1)
        assert hit.uid == f"r{number}"
    return index.count


@pytest.mark.parametrize("command", [f"add {BASE} {GROWN}", f"build {GROWN}"])
def test_an_index_survives_writers_killed_at_random_moments(folder: Path, command: str) -> None:
    base = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    with writing(folder) as writer:
        started = time.monotonic()
        assert writer.run(command) == 0
        takes_s = time.monotonic() - started
        killed = 0
        while killed < 30:
            restore(folder, base)
            was_killed = writer.run(f"{command} killed {random.uniform(0, takes_s)}") == KILLED
            killed += was_killed
            takes_s *= 1.1 if was_killed else 0.9  # what is left of an earlier try makes the next one shorter
            assert_whole(folder)
        assert writer.run(command) == 0
    assert assert_whole(folder) == GROWN
    assert sum(path.is_file() for path in folder.iterdir() if path.name != ".lock") == 3


def test_an_index_survives_a_kill_before_every_single_operation_on_files(folder: Path) -> None:
    counts = []
    with writing(folder) as writer:
        for operation in range(1, 500):
            exit_code = writer.run(f"add {BASE} {GROWN} crash {operation}")
            counts.append(assert_whole(folder))
            if exit_code == 0:
                break
            assert exit_code == KILLED
    assert exit_code == 0
    assert counts[0] == BASE
    assert counts[-1] == GROWN
    assert counts == sorted(counts)
