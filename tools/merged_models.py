"""The cache of GGUF models with a LoRA adapter merged in, each made on its first use (tools/gguf_merge.py).

A merged model lies in a folder of its own beside a record of its sha256 and of what it was made of, and is
made again where the model, the adapter or the way of merging has changed, or where its file is not what was
written. Making one takes seconds and as much disk as the model in eight bits.
"""

from pathlib import Path

from tools.download import one_download_at_a_time
from tools.download_display import say
from tools.files import atomic_folder, sha256
from tools.gguf_merge import write_merged
from tools.model_cache import cache_dir, check_files, new_record, read_record, write_record

_WAY = 1  # of merging; a number higher makes every merged model anew
_FILE = "model.gguf"


def merged_model(name: str, base: Path, revision: str, adapter: Path) -> Path:
    """The .gguf file of a model with an adapter merged in, from the cache or made now.

    `name` is the folder's in the cache, `revision` stands for the base's weights. Raises SouschefError where
    it cannot be written, ModelFileError where the adapter does not fit.
    """
    folder = cache_dir() / "merged" / name
    made_of = f"{_WAY} {revision} {sha256(adapter)}"
    if _is_good(folder, made_of):
        return folder / _FILE
    with one_download_at_a_time():
        if not _is_good(folder, made_of):  # another process may have made it meanwhile
            say(f"Preparing {name}, once ...")
            with atomic_folder(folder) as part:
                write_merged(base, adapter, part / _FILE)
                write_record(part, new_record(part, "merged", made_of, {_FILE: sha256(part / _FILE)}))
    return folder / _FILE


def _is_good(folder: Path, made_of: str) -> bool:
    known = read_record(folder)
    return known is not None and known.revision == made_of and check_files(folder, known).record is not None
