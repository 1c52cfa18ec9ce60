"""A process that writes an index, to be killed: `python index_writer.py FOLDER`.

It reads commands from stdin and runs each in a fork of its own, so that a kill costs milliseconds and not a
start of Python. The embedder at the model boundary is slow and deterministic; recipes, faiss and files are
real.

    build COUNT             build an index of COUNT recipes
    add FROM TO             add the recipes FROM..TO-1
    ... killed SECONDS      ... but kill -9 it after so long
    ... crash N             ... but it kills itself before its N-th operation on files

For each it prints the exit code, -9 for a kill.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss  # noqa: F401 - imported before forking, which saves each fork a tenth of a second
import filelock  # noqa: F401
import safetensors.numpy  # noqa: F401
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings

from tools.index import RecipeIndex
from tools.recipes import Recipe


class SlowEmbeddings(Embeddings):
    """4 ms for a chunk of texts."""

    def __init__(self) -> None:
        self._inner = DeterministicFakeEmbedding(size=16)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        time.sleep(0.004)
        return self._inner.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        return self._inner.embed_query(text)


# The tests import this module under its name, the script runs it as __main__: one embedder all the same.
SlowEmbeddings.__module__ = "index_writer"


def recipes(first: int, last: int) -> list[Recipe]:
    """Recipes number `first` to `last` - 1."""
    return [
        Recipe(f"r{n}", f"Soup {n}", ("water",) * (1 + n % 7), (f"Boil {n}.",)) for n in range(first, last)
    ]


def run(folder: Path, command: list[str]) -> None:
    match command:
        case [*command, "crash", number]:
            kill_at_operation(int(number))
            run(folder, command)
        case ["build", count]:
            RecipeIndex.build(recipes(0, int(count)), folder, SlowEmbeddings(), progress=False)
        case ["add", first, last]:
            with RecipeIndex.editing(folder, SlowEmbeddings()) as index:
                index.add(recipes(int(first), int(last)), progress=False)


def kill_at_operation(number: int) -> None:
    """Make the process kill itself before its `number`-th flush, rename or removal."""
    left = number

    def counted(operation: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return operation(*given, **named)

        return call

    for name in ("fsync", "replace", "unlink", "rmdir", "mkdir"):
        setattr(os, name, counted(getattr(os, name)))


def main() -> None:
    folder = Path(sys.argv[1])
    for line in sys.stdin:
        command, _, seconds = line.partition(" killed ")
        child = os.fork()
        if child == 0:
            run(folder, command.split())
            os._exit(0)
        sys.stdout.write(f"{exit_code(child, float(seconds or 'inf'))}\n")
        sys.stdout.flush()


def exit_code(child: int, kill_after_s: float) -> int:
    """Wait for a child to end, and end it when its time is up."""
    end = time.monotonic() + kill_after_s
    ended, status = os.waitpid(child, os.WNOHANG)
    while not ended and time.monotonic() < end:
        time.sleep(0.001)
        ended, status = os.waitpid(child, os.WNOHANG)
    if not ended:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    main()
