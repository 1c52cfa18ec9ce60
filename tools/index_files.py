"""An index on disk: manifest.json names the files of one generation, each with its sha256.

    DIR/manifest.json           the one thing that is replaced: whoever reads it sees a whole index
        recipes-<generation>.jsonl
        vectors-<generation>.faiss
        .parts/                 chunks of vectors from a build that was interrupted
        .lock                   held by a writer, never by a reader

A writer puts the files of the next generation beside the old ones, flushes them, replaces the manifest, and
only then removes what no manifest names. Readers take no lock: a file that vanishes or changes under them
means that the manifest has changed too, and they start again. What is parsed is the very bytes that were
hashed.
"""

import contextlib
import hashlib
import json
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Literal

from tools.download_display import say
from tools.embed import Identity
from tools.errors import IndexFileError
from tools.files import atomic_write, saying_what_the_disk_refused
from tools.vectors import Ann

Kind = Literal["recipes", "vectors"]
Sink = Callable[[bytes], int]
FORMAT = "souschef recipe index"
VERSION = 1
MANIFEST = "manifest.json"
_SUFFIXES: Mapping[Kind, str] = {"recipes": ".jsonl", "vectors": ".faiss"}
_OURS = ("recipes-*.jsonl", "vectors-*.faiss", f".{MANIFEST}.*.part", ".recipes-*.part", ".vectors-*.part")
_MOVED = 100  # generations that may pass while a reader reads


@dataclass(frozen=True)
class Manifest:
    """What an index says about itself."""

    embedder: Identity
    dimension: int
    count: int
    ann: Ann | None
    recall_at_10: float  # against exact search; 1 for a flat table
    generation: int = 0
    files: Mapping[str, str] = field(default_factory=dict)  # file name: sha256

    def to_bytes(self) -> bytes:
        """The one way to write this manifest, with its own checksum as the last entry."""
        known = {"format": FORMAT, "version": VERSION, **asdict(self)}
        known["sha256"] = hashlib.sha256(_json(known)).hexdigest()
        return _json(known)

    @classmethod
    def from_bytes(cls, content: bytes) -> "Manifest":
        """Read a manifest; ValueError unless every byte is as `to_bytes` wrote it."""
        known = json.loads(content)
        if not isinstance(known, dict) or known.get("format") != FORMAT:
            raise ValueError("no manifest")
        checksum = known.pop("sha256", None)
        if checksum != hashlib.sha256(_json(known)).hexdigest():
            raise ValueError("wrong checksum")
        if known["version"] != VERSION:
            raise NewerFormatError(known["version"])
        embedder = Identity(**known["embedder"])
        fields = {name: known[name] for name in ("generation", "dimension", "count", "ann", "recall_at_10")}
        manifest = cls(embedder=embedder, files=known["files"], **fields)
        if sorted(map(_kind, manifest.files)) != sorted(_SUFFIXES) or manifest.to_bytes() != content:
            raise ValueError("not as it was written")
        return manifest


class NewerFormatError(ValueError):
    """A whole manifest of a version that this code does not read."""


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an index. Raises IndexFileError, with the command that mends it."""
    path = folder / MANIFEST
    try:
        return Manifest.from_bytes(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise IndexFileError(_no_index(folder)) from error
    except PermissionError as error:
        raise IndexFileError(f"{path} may not be read: give yourself the right to read it.") from error
    except NewerFormatError as error:
        raise IndexFileError(
            f"{path} is of format {error}, and this Souschef reads format {VERSION}: {_rebuild(folder)}."
        ) from error
    except ValueError as error:
        raise IndexFileError(f"{path} is damaged: {_rebuild(folder)}.") from error


def read_index(folder: Path) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest, and the content of its files by kind ("recipes", "vectors"), all of one generation."""
    manifest = read_manifest(folder)
    for _ in range(_MOVED):
        try:
            return manifest, {_kind(name): _checked(folder, name, manifest) for name in manifest.files}
        except IndexFileError:
            before, manifest = manifest, read_manifest(folder)
            if manifest == before:
                raise
    raise IndexFileError(f"{folder} changes faster than it can be read: try again when it is left alone.")


def write_index(
    folder: Path, manifest: Manifest, contents: Mapping[Kind, Callable[[Sink], None]]
) -> Manifest:
    """Write a generation; the caller holds the lock. Returns the whole manifest.

    `contents` has for each file a function that passes its content, piece by piece, to what it is given.

    Raises SouschefError where the disk refuses; the index that was there before is still the index then.
    """
    generation = _next_generation(folder)
    files = {}
    for kind, pass_content in contents.items():
        name = f"{kind}-{generation}{_SUFFIXES[kind]}"
        with atomic_write(folder / name) as file:
            hashed = _Hashed(file)
            pass_content(hashed.write)
        files[name] = hashed.digest.hexdigest()
    written = replace(manifest, generation=generation, files=files)
    with atomic_write(folder / MANIFEST) as file:
        file.write(written.to_bytes())
    _remove_leftovers(folder, written)
    return written


class _Hashed:
    """A file that is hashed as it is written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, piece: bytes) -> int:
        self.digest.update(piece)
        return self._file.write(piece)


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, making the folder where needed, and saying so where it means waiting."""
    import filelock

    with saying_what_the_disk_refused(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / ".lock")
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            say(f"Waiting for another Souschef that is writing to {folder} ...")
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def holds_index(folder: Path) -> bool:
    """Whether there is an index in the folder, be it whole or damaged."""
    return (folder / MANIFEST).is_file()


def refuse_foreign(folder: Path) -> None:
    """IndexFileError where the folder is a file, or holds things but no index: nothing is mixed with them."""
    if folder.exists() and not folder.is_dir():
        raise IndexFileError(f"{folder} is a file: choose a folder for the index.")
    if folder.is_dir() and not holds_index(folder):
        ours = {".lock", ".parts"} | {path.name for pattern in _OURS for path in folder.glob(pattern)}
        if foreign := sorted(path.name for path in folder.iterdir() if path.name not in ours):
            raise IndexFileError(
                f"{folder} holds {foreign[0]} and no index: choose a new or an empty folder."
            )


def parts_folder(folder: Path) -> Path:
    """Where an interrupted build keeps its finished chunks."""
    return folder / ".parts"


def _remove_leftovers(folder: Path, manifest: Manifest) -> None:
    """Remove old generations, what killed writers left, and the parts that are now in the index."""
    for pattern in _OURS:
        for path in folder.glob(pattern):
            if path.name not in manifest.files:
                path.unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(parts_folder(folder))


def _checked(folder: Path, name: str, manifest: Manifest) -> bytes:
    path = folder / name
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise IndexFileError(f"{path} is missing: {_rebuild(folder)}.") from error
    except PermissionError as error:
        raise IndexFileError(f"{path} may not be read: give yourself the right to read it.") from error
    if hashlib.sha256(content).hexdigest() != manifest.files[name]:
        raise IndexFileError(f"{path} is damaged (its checksum differs): {_rebuild(folder)}.")
    return content


def _kind(name: str) -> str:
    return name.partition("-")[0]


def _next_generation(folder: Path) -> int:
    """One more than any file has, so that no name is ever used twice, even after a damaged manifest."""
    names = [path.stem for kind, suffix in _SUFFIXES.items() for path in folder.glob(f"{kind}-*{suffix}")]
    return 1 + max((int(n) for name in names if (n := name.partition("-")[2]).isdecimal()), default=0)


def _rebuild(folder: Path) -> str:
    return f"rebuild the index with `souschef index build FILE... --out {shlex.quote(str(folder))}`"


def _no_index(folder: Path) -> str:
    build = f"`souschef index build FILE... --out {shlex.quote(str(folder))}`"
    if parts_folder(folder).is_dir():
        return f"{folder} holds no index yet, only the start of one: finish it with {build}."
    return f"{folder} holds no index: make one with {build}, or name another folder with --index."


def _json(known: Mapping[str, Any]) -> bytes:
    return (json.dumps(known, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
