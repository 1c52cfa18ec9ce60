"""Data sets from a hub: `datasets` itself, in its own process, against a small server that speaks like it."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LOAD = """
import sys
from tools.errors import TrainingError
from training.data import load_rows
try:
    rows = load_rows([sys.argv[1]], subset=sys.argv[2], split=sys.argv[3])
    print(*(f"{row.id}: {row.article} {row.summary}" for row in rows), sep="\\n")
except TrainingError as error:
    sys.exit(str(error))
"""
CARD = b"""---
configs:
- config_name: 1.0.0
  data_files:
  - split: train
    path: 1.0.0/train.jsonl
  - split: validation
    path: 1.0.0/validation.jsonl
- config_name: short
  data_files:
  - split: validation
    path: short/validation.jsonl
---
"""


def table(name: str) -> bytes:
    rows = [{"id": f"{name}-{n}", "article": f"Article {n}.", "highlights": f"H{n}."} for n in range(2)]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


FILES = {
    "README.md": CARD,
    "1.0.0/train.jsonl": table("train"),
    "1.0.0/validation.jsonl": table("validation"),
    "short/validation.jsonl": table("short"),
}
ABOUT = {"_id": "1", "id": "someone/news", "sha": COMMIT, "siblings": [{"rfilename": name} for name in FILES]}


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def tree() -> bytes:
    entries = [
        {"type": "file", "path": name, "size": len(content), "oid": git_hash(content)}
        for name, content in FILES.items()
    ]
    return json.dumps(entries).encode()


class Hub(BaseHTTPRequestHandler):
    """Serves the one data set someone/news."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        name = path.partition("/resolve/")[2].partition("/")[2]
        if "someone/news" not in path:
            self.answer(404, b"", error="RepoNotFound")
        elif "/tree/" in path:
            self.answer(200, tree())
        elif not name:
            self.answer(200, json.dumps(ABOUT).encode())
        elif name in FILES:
            self.answer(200, FILES[name])
        else:
            self.answer(404, b"", error="EntryNotFound")

    def answer(self, status: int, body: bytes, error: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("X-Error-Code", error) if error else self.send_header("ETag", f'"{git_hash(body)}"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def load(hub: str, home: Path, *asked: str, **settings: str) -> subprocess.CompletedProcess[str]:
    own = {"HF_ENDPOINT": hub, "HF_HOME": str(home), "NO_PROXY": "*", **settings}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")} | own
    return subprocess.run(
        [sys.executable, "-c", LOAD, *asked], env=environment, capture_output=True, text=True, check=False
    )


def said(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr.strip().splitlines()[-1]


def test_a_subset_and_split_are_read_and_there_again_without_a_network(hub: str, tmp_path: Path) -> None:
    rows = "validation-0: Article 0. H0.\nvalidation-1: Article 1. H1.\n"
    asked = ("someone/news", "1.0.0", "validation")
    assert load(hub, tmp_path, *asked).stdout == rows
    assert load(hub, tmp_path, *asked, HF_HUB_OFFLINE="1").stdout == rows


def test_the_only_split_need_not_be_named(hub: str, tmp_path: Path) -> None:
    rows = "short-0: Article 0. H0.\nshort-1: Article 1. H1.\n"
    assert load(hub, tmp_path, "someone/news", "short", "").stdout == rows


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (
            ("someone/news", "1.0.0", ""),
            "The data set someone/news has several splits: set data_split to train or validation.",
        ),
        (
            ("someone/news", "3.0.0", "validation"),
            "The data set someone/news cannot be had as asked (BuilderConfig '3.0.0' not found. Available: "
            "['1.0.0', 'short']): correct data, data_subset or data_split.",
        ),
        (
            ("someone/news", "1.0.0", "test"),
            'The data set someone/news cannot be had as asked (Unknown split "test". Should be one of '
            "['train', 'validation']): correct data, data_subset or data_split.",
        ),
    ],
)
def test_what_the_data_set_does_not_have_is_one_clear_sentence(
    hub: str, tmp_path: Path, asked: tuple[str, ...], sentence: str
) -> None:
    done = load(hub, tmp_path, *asked)
    assert (done.returncode, said(done)) == (1, sentence)


def test_a_data_set_that_is_not_there_is_one_clear_sentence(hub: str, tmp_path: Path) -> None:
    done = load(hub, tmp_path, "someone/gone", "", "")
    assert (done.returncode, said(done).partition(" (")[0]) == (
        1,
        "The data set someone/gone cannot be had as asked",
    )


def test_a_hub_out_of_reach_is_one_clear_sentence(hub: str, tmp_path: Path) -> None:
    done = load(hub, tmp_path, "someone/news", "1.0.0", "validation", HF_HUB_OFFLINE="1")
    assert (done.returncode, said(done)) == (
        1,
        "The data set someone/news could not be reached: check the network, or name local files in data.",
    )
