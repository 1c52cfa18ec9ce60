"""What Tab completes: commands, and after them models, policies, settings and files; files after an @."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from agent.repl.commands import COMMANDS, usage
from agent.repl.options import Settings
from tools.catalogue import CATALOGUE
from tools.errors import SouschefError
from tools.files import expanded

_MOST = 50
_OF_FILES = ("file", "summarize", "export")
_MODELS = [entry.name for entry in CATALOGUE.values() if entry.role != "embedder"]
_WORDS = {
    "model": _MODELS,
    "policy": ["model", *_MODELS],
    "trace": ["on", "off"],
    "index": ["use", "add", "embedded"],
    "retry": ["no-tools"],
    "set": list(vars(Settings())),
    "help": list(COMMANDS),
}
_TAKES_PATHS = (*_OF_FILES, "model", "policy", "index")


class ChatCompleter(Completer):
    """Completes the last word before the cursor."""

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:  # noqa: ARG002
        """Completions of the word before the cursor, at most 50."""
        line = document.text_before_cursor
        word = line.split(" ")[-1].split("\n")[-1]
        if line.startswith("/") and " " not in line:
            yield from _commands(line[1:])
        elif line.startswith("/"):
            yield from _arguments(line[1:].partition(" ")[0], word)
        elif word.startswith("@"):
            yield from _files(word[1:])


def _commands(begun: str) -> Iterator[Completion]:
    for name in COMMANDS:
        if name.startswith(begun):
            yield Completion(name, -len(begun), display=f"/{name}", display_meta=_in_short(name))


def _in_short(name: str) -> str:
    return usage(name)[1].partition(".")[0].partition(":")[0]


def _arguments(command: str, word: str) -> Iterator[Completion]:
    full = next((name for name in COMMANDS if name.startswith(command)), "")
    for known in _WORDS.get(full, []):
        if known.startswith(word):
            yield Completion(known, -len(word))
    if full in _TAKES_PATHS and (word or full in _OF_FILES):
        yield from _files(word)


def _files(begun: str) -> Iterator[Completion]:
    """Files and folders that begin so; one with a space in its name only where it is typed quoted."""
    folder, beginning = os.path.split(begun)
    try:
        found = sorted(_entries(expanded(folder or ".")))
    except (OSError, SouschefError):
        return  # what cannot be looked into has nothing to offer
    fitting = [name for name in found if name.startswith(beginning) and " " not in name]
    for name in fitting[:_MOST]:
        if not name.startswith(".") or beginning.startswith("."):
            yield Completion(name, -len(beginning))


def _entries(folder: Path) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            yield f"{entry.name}/" if entry.is_dir() else entry.name
