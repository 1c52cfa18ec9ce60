"""Fetching model files from a repository on the model hub, checked against the hashes that the hub states.

The hub's own client does the transfer, so that its settings (mirror, token, proxy, offline) hold here too.
Only the catalogue's patterns are fetched: safetensors or GGUF weights, JSON and text; never pickles or code.
"""

import hashlib
import os
import shutil
from contextlib import nullcontext
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from tools.catalogue import HubSource, SourceError
from tools.download_display import say
from tools.files import sha256

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

_TIMEOUT_S = 15


def fetch_from_hub(
    source: HubSource, part: Path, title: str, *, progress: bool
) -> tuple[str, dict[str, str]]:
    """Put the source's files into the folder `part`; give back its commit and each file's sha256.

    What an interrupted call left in `part` is continued. Raises SourceError where the files cannot be had.
    """
    import httpx
    from huggingface_hub import HfApi, errors, hf_hub_download
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if progress:
        say(f"{title} ...")  # the hub's client draws its own bars below, on a terminal
    try:
        info = HfApi().model_info(source.repo, files_metadata=True, timeout=_TIMEOUT_S)
        commit, wanted = str(info.sha), _wanted(info.siblings or [], source)
        with nullcontext() if progress else disable_progress_bars():
            for file in wanted:
                hf_hub_download(source.repo, file.rfilename, revision=commit, local_dir=part)
    except errors.GatedRepoError as error:
        raise SourceError(f"{source} asks to accept its licence first, on its page") from error
    except errors.HfHubHTTPError as error:
        raise SourceError(f"{source} answered {error.response.status_code}") from error
    except (
        httpx.HTTPError,
        errors.OfflineModeIsEnabled,
        errors.LocalEntryNotFoundError,
        errors.XetDownloadError,
    ) as error:
        raise SourceError(f"{source} could not be reached") from error
    except OSError as error:
        if error.errno is not None:  # the disk's, not the client's word for a transfer that went wrong
            raise
        raise SourceError(f"{source} broke off") from error
    hashes = {file.rfilename: _verified(part / file.rfilename, file, source) for file in wanted}
    shutil.rmtree(part / ".cache", ignore_errors=True)
    return commit, hashes


def _wanted(files: "list[RepoSibling]", source: HubSource) -> "list[RepoSibling]":
    wanted = [
        file
        for file in files
        if any(fnmatch(file.rfilename, pattern) for pattern in source.files)
        and not any(fnmatch(file.rfilename, pattern) for pattern in source.skipped)
    ]
    if not any(file.rfilename.endswith((".safetensors", ".gguf")) for file in wanted):
        raise SourceError(f"{source} has no safetensors or GGUF weights, and others are not loaded")
    return wanted


def _verified(path: Path, stated: "RepoSibling", source: HubSource) -> str:
    """The file's sha256, once it is what the hub states: an LFS sha256, or git's own hash of a small file."""
    found = sha256(path)
    if stated.lfs is not None:
        right = found == stated.lfs.sha256
    else:
        content = path.read_bytes()
        git_blob = b"blob %d\0" % len(content) + content
        right = hashlib.sha1(git_blob, usedforsecurity=False).hexdigest() == stated.blob_id
    if not right:
        path.unlink()  # or the hub's client would take it for good next time
        raise SourceError(f"{stated.rfilename} from {source} arrived damaged")
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return found
