"""Reading libraries ahead: the files that are meant are there, and nothing is imported to find them."""

import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from tools import readahead


def test_the_large_files_of_every_library_are_found() -> None:
    found = [path for path in readahead.large_files() if path.is_file()]
    for package in readahead.LIBRARIES:
        assert sum(path.stat().st_size for path in found if f"/{package}" in str(path)) > 10_000_000, package


def test_no_library_is_imported_for_it() -> None:
    code = (
        "import sys; from tools.readahead import *; list(large_files()); read_ahead()\n"
        "print([name for name in LIBRARIES if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_what_is_not_there_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readahead, "find_spec", {"faiss": ModuleSpec("faiss", None)}.get)
    assert list(readahead.large_files()) == []
    monkeypatch.setattr(readahead, "large_files", lambda: [Path("/nowhere/libtorch.so")])
    readahead._advise()
