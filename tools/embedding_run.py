"""Embed many texts in bounded chunks, with progress, so that an interrupted run continues where it was.

Texts are sorted by their length in tokens over the whole run, so that batches hold hardly any padding; by
characters, as SentenceTransformer.encode sorts within one call, 6% of a batch of recipes would be padding.
Each finished chunk is kept as a safetensors file named by its own checksum, and thrown away if it no longer
hashes to that name. Vectors that are known already are not made again. What this leaves out: a lock, which
the writer of the index holds, and the removal of the parts, which is due once the index is written.
"""

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from langchain_core.embeddings import Embeddings

from tools.download_display import say
from tools.embed import Identity, encode, identity, lengths
from tools.files import atomic_write

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]
    Chunk = tuple[list[bytes], Vectors]  # keys of texts, and their vectors, shape (texts, dimension)

CHUNK_TEXTS = 128  # about 4 s of work on two cores, lost at most when a run is killed
_BLOCK_TEXTS = 1_000  # how many texts are in memory at once while their lengths are counted
_SUFFIX = ".safetensors"


def embed_in_chunks(
    count: int,
    text_at: Callable[[int], str],
    embedder: Embeddings,
    parts: Path | None = None,
    progress: bool = True,
    room: "Callable[[int, int], Vectors] | None" = None,
    known: "Iterable[Chunk]" = (),
) -> "Vectors":
    """Vectors of `count` texts, shape (count, dimension); equal texts are embedded once.

    `text_at` gives a text by number, so that the caller need not hold them all. `parts` is the folder that
    keeps finished chunks; without it nothing is kept. `room(count, dimension)` gives the array to write to.
    `known` are vectors that this embedder made of some of the texts, if they are among these.
    """
    work = _Work.of(count, text_at, room or _new_array)
    store = Parts(parts, identity(embedder)) if parts is not None and count > CHUNK_TEXTS else None
    for keys, vectors in chain(known, store.read() if store else ()):
        work.fill(keys, vectors)
    with _bar(count, work.left, progress) as advance:
        for keys, texts in work.chunks(text_at, embedder):
            vectors = encode(embedder, texts)
            if store:
                store.keep(keys, vectors)
            work.fill(keys, vectors)
            advance(count - work.left)
    return work.result()


@dataclass
class _Work:
    """What is still to be embedded, and the vectors so far."""

    count: int
    rows: "dict[bytes, list[int]]"  # text hash: the rows that have this text
    left: int
    room: "Callable[[int, int], Vectors]"
    vectors: "Vectors | None" = None

    @classmethod
    def of(cls, count: int, text_at: Callable[[int], str], room: "Callable[[int, int], Vectors]") -> "_Work":
        rows: dict[bytes, list[int]] = {}
        for row in range(count):
            rows.setdefault(key_of(text_at(row)), []).append(row)
        return cls(count, rows, count, room)

    def chunks(
        self, text_at: Callable[[int], str], embedder: Embeddings
    ) -> Iterator[tuple[list[bytes], list[str]]]:
        """What is left, the longest first."""
        length: dict[bytes, int] = {}
        pending = iter(list(self.rows))
        while keys := list(islice(pending, _BLOCK_TEXTS)):
            texts = [text_at(self.rows[key][0]) for key in keys]
            length.update(zip(keys, lengths(embedder, texts), strict=True))
        longest_first = iter(sorted(length, key=lambda key: -length[key]))
        while keys := list(islice(longest_first, CHUNK_TEXTS)):
            yield keys, [text_at(self.rows[key][0]) for key in keys]

    def fill(self, keys: Sequence[bytes], vectors: "Vectors") -> None:
        if self.vectors is None:
            self.vectors = self.room(self.count, vectors.shape[1])
        for key, vector in zip(keys, vectors, strict=True):
            for row in self.rows.pop(key, ()):
                self.vectors[row] = vector
                self.left -= 1

    def result(self) -> "Vectors":
        return self.vectors if self.vectors is not None else _new_array(0, 0)


def _new_array(rows: int, dimension: int) -> "Vectors":
    import numpy as np

    return np.empty((rows, dimension), dtype=np.float32)


def key_of(text: str) -> bytes:
    """What a text's vector is kept by: 32 bytes."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def name_of(made_by: Identity) -> str:
    """What an embedder's vectors are kept under: 16 hexadecimal digits."""
    return hashlib.sha256(f"{made_by.name}\n{made_by.revision}".encode()).hexdigest()[:16]


class Parts:
    """Finished chunks of one embedder in a folder: the hashes of texts, and their vectors."""

    def __init__(self, folder: Path, made_by: Identity) -> None:
        self._folder = folder / name_of(made_by)

    def keep(self, keys: Sequence[bytes], vectors: "Vectors") -> None:
        """Write one chunk."""
        content = packed(keys, vectors)
        with atomic_write(self._folder / (hashlib.sha256(content).hexdigest() + _SUFFIX)) as file:
            file.write(content)

    def read(self) -> "Iterator[Chunk]":
        """Each whole chunk; an altered one is removed."""
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() == path.name.removesuffix(_SUFFIX):
                yield unpacked(content)
            else:
                path.unlink()


def packed(keys: Sequence[bytes], vectors: "Vectors") -> bytes:
    """A chunk as the content of a safetensors file."""
    import numpy as np
    from safetensors.numpy import save

    hashes = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), -1)
    return save({"keys": hashes, "vectors": np.ascontiguousarray(vectors)})


def unpacked(content: bytes) -> "Chunk":
    """The chunk that was packed."""
    from safetensors.numpy import load

    part = load(content)
    return [row.tobytes() for row in part["keys"]], part["vectors"]


@contextmanager
def _bar(count: int, left: int, progress: bool) -> Iterator[Callable[[int], None]]:
    """A bar on stderr with the time left, for what takes more than one chunk."""
    if not progress or left <= CHUNK_TEXTS or not sys.stderr.isatty():
        if progress and left > CHUNK_TEXTS:
            say(f"Embedding {left:,} recipes ...")
        yield lambda _: None
        return
    from rich import progress as bars
    from rich.console import Console

    columns = (bars.TextColumn("{task.description}"), bars.BarColumn(), bars.MofNCompleteColumn())
    with bars.Progress(*columns, bars.TimeRemainingColumn(), console=Console(stderr=True)) as shown:
        task = shown.add_task("Embedding recipes", total=count, completed=count - left)
        yield lambda done: shown.update(task, completed=done)
