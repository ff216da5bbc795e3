"""Freed memory goes back to the system.

The C library keeps freed pieces for later. Batches of ever other lengths leave it more of them than are used again:
over two hours that was 300 megabytes, of which nothing was needed.
"""

from __future__ import annotations

import ctypes
import os


def return_freed_memory() -> None:
    """Asks glibc to return what is free; does nothing where there is another C library.

    Example
    -------
    >>> return_freed_memory()
    """
    if os.name != "posix":  # Windows has no library of the process itself
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
