"""Model files from a hub: the real client, in its own process, against a small server that speaks like it."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

TENSORS = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
SAFETENSORS = len(TENSORS).to_bytes(8, "little") + TENSORS + bytes(8)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
FETCH = """
import sys
from tools.catalogue import CatalogueEntry, HubSource
from tools.errors import ModelFileError
from tools.models import fetch_model
entry = CatalogueEntry(
    "tiny", "embedder", "hf", "model.safetensors", (HubSource("someone/tiny"),), "MIT", 100
)
try:
    print(fetch_model(entry).revision)
except ModelFileError as error:
    sys.exit(str(error))
"""


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Hub:
    """What the server serves, and what it was asked for."""

    files: dict[str, bytes]
    served: dict[str, bytes] = field(default_factory=dict)  # where it differs from what is stated
    status: int = 200
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def about(self) -> dict[str, object]:
        siblings: list[dict[str, object]] = []
        for name, content in self.files.items():
            sibling: dict[str, object] = {
                "rfilename": name,
                "size": len(content),
                "blobId": git_hash(content),
            }
            if name.endswith(".safetensors"):
                digest = hashlib.sha256(content).hexdigest()
                sibling["lfs"] = {"size": len(content), "sha256": digest, "pointerSize": 130}
            siblings.append(sibling)
        return {"_id": "1", "id": "someone/tiny", "sha": COMMIT, "siblings": siblings}


@pytest.fixture
def hub() -> Iterator[Hub]:
    served = Hub(
        {
            "model.safetensors": SAFETENSORS,
            "config.json": b"{}",
            "1_Pooling/config.json": b'{"pooling": "cls"}',
            "pytorch_model.bin": b"pickle",
            "modeling_tiny.py": b"code",
            "onnx/config.json": b"{}",
        }
    )

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            name = self.path.partition(f"/resolve/{COMMIT}/")[2]
            if self.command == "GET":
                served.asked.append(name or "about")
            stated = served.files.get(name, b"")
            body = served.served.get(name, stated) if name else json.dumps(served.about()).encode()
            self.send_response(served.status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{git_hash(stated)}"')
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield served
    server.shutdown()
    server.server_close()


def fetched(hub: Hub, cache: Path) -> subprocess.CompletedProcess[str]:
    own = {
        "SOUSCHEF_CACHE": str(cache),
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(cache / "hf"),
        "NO_PROXY": "*",
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")} | own
    return subprocess.run(
        [sys.executable, "-c", FETCH], env=environment, capture_output=True, text=True, check=False
    )


def files_of(cache: Path) -> set[str]:
    folder = cache / "models" / "tiny"
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_weights_and_json_are_fetched_and_pickles_code_and_other_formats_are_not(
    hub: Hub, tmp_path: Path
) -> None:
    done = fetched(hub, tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{COMMIT}\n"), done.stderr
    assert files_of(tmp_path) == {
        "model.safetensors",
        "config.json",
        "1_Pooling/config.json",
        "souschef.json",
    }
    assert (tmp_path / "models" / "tiny" / "model.safetensors").read_bytes() == SAFETENSORS
    assert done.stderr == "Fetching tiny (0 MB) from hub someone/tiny ...\n"


def test_the_second_time_the_hub_is_not_asked(hub: Hub, tmp_path: Path) -> None:
    fetched(hub, tmp_path)
    hub.asked.clear()
    assert (fetched(hub, tmp_path).stdout, hub.asked) == (f"{COMMIT}\n", [])


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_what_does_not_have_the_hash_that_the_hub_states_is_refused_and_fetched_anew(
    hub: Hub, tmp_path: Path, name: str
) -> None:
    hub.served[name] = hub.files[name][:-1] + b"x"
    done = fetched(hub, tmp_path)
    assert (done.returncode, files_of(tmp_path)) == (1, set())
    assert f"{name} from hub someone/tiny arrived damaged" in done.stderr
    hub.served.clear()
    assert fetched(hub, tmp_path).stdout == f"{COMMIT}\n"


def test_a_repository_with_pickled_weights_alone_is_refused(hub: Hub, tmp_path: Path) -> None:
    del hub.files["model.safetensors"]
    assert "has no safetensors or GGUF weights, and others are not loaded" in fetched(hub, tmp_path).stderr


@pytest.mark.parametrize("status", [404, 500])
def test_a_hub_that_refuses_is_quoted_in_one_sentence(hub: Hub, tmp_path: Path, status: int) -> None:
    hub.status = status
    done = fetched(hub, tmp_path)
    assert done.stderr.splitlines()[1:] == [
        "The model tiny is not on this machine and could not be fetched "
        f"(hub someone/tiny answered {status}): "
        "run `souschef models fetch tiny` where the model hub can be reached, or put the model's folder "
        f"(model.safetensors and the rest) into the cache as {tmp_path / 'models' / 'tiny'}."
    ]


def test_without_a_hub_one_sentence_says_so(hub: Hub, tmp_path: Path) -> None:
    hub.url = "http://127.0.0.1:9"
    assert "(hub someone/tiny could not be reached): run `souschef models" in fetched(hub, tmp_path).stderr
