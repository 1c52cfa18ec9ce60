"""Have the system read large libraries from disk before Python imports them.

A library that is not in memory is read page by page where its code runs, each page a wait; asked for as a
whole, hundreds of megabytes come in half a second, while Python still imports other things. Where the system
takes no such advice, nothing is different.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

# package: where its large files are that a search or a small model needs
LIBRARIES = {
    "torch": ("lib/libtorch_cpu.so", "lib/libtorch_python.so"),
    "xllamacpp": ("*.so",),
    "pyarrow": ("libarrow.so.*", "libarrow_compute.so.*"),
    "faiss": ("libfaiss.so", "../faiss_cpu.libs/libopenblas*"),
}


def read_ahead() -> None:
    """Begin to read them, in a thread that nobody waits for."""
    if not hasattr(os, "posix_fadvise"):  # macOS
        return
    threading.Thread(target=_advise, name="reading ahead", daemon=True).start()


def _advise() -> None:
    for path in large_files():
        with suppress(OSError):
            handle = os.open(path, os.O_RDONLY)
            try:
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_WILLNEED)
            finally:
                os.close(handle)


def large_files() -> Iterator[Path]:
    """The files of LIBRARIES that are on this machine; no package is imported for it."""
    for package, patterns in LIBRARIES.items():
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            folder = Path(spec.origin).parent
            yield from (path for pattern in patterns for path in sorted(folder.glob(pattern)))
