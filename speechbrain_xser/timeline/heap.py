"""Returns freed memory to the system, and keeps few pieces of it.

The C library keeps freed pieces for later. Batches of ever different lengths leave more of them than are used again:
over two hours that was 300 megabytes, none of it needed.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

M_ARENA_MAX = -8  # glibc's number of this parameter


def return_freed_memory() -> None:
    """Makes glibc return free memory; does nothing with another C library or on Windows."""
    if (trim := _function("malloc_trim")) is not None:
        trim(0)


def use_one_heap() -> None:
    """Makes glibc give all threads the same heap; to be called before threads are started.

    By default it makes up to eight heaps a core for them, each of which grows to what the largest request of its thread
    needs: 45 MB for the tiny model.
    """
    if (option := _function("mallopt")) is not None and _function("gnu_get_libc_version") is not None:
        option(M_ARENA_MAX, 1)


def _function(name: str) -> Callable[..., int] | None:
    """A function of the C library, if it has it."""
    return None if os.name == "nt" else getattr(ctypes.CDLL(None), name, None)
