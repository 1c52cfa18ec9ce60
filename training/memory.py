"""Memory of a training process: what is freed is kept for the next step.

Each pass takes and frees the same gigabytes. glibc gives every large block back to the system and gets it
again page by page, zeroed: a sixth of a PPO step of GPT-2 on two virtual cores. Left out: other C
libraries, whose own habits stay, and other allocators, which a user may preload. Supervised training is
left alone: its batches all differ in shape, and with one heap its steps took a quarter longer.
"""

import ctypes

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # glibc's malloc.h
_NEVER = -1
_PAD_BYTES = 256 * 2**20  # what the heap grows by, beyond what is asked for


def keep_freed_memory() -> None:
    """Take all memory from one heap from now on, and give none of it back before the process ends."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for setting, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _NEVER), (_TOP_PAD, _PAD_BYTES)):
            mallopt(setting, value)
