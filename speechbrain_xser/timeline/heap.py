"""Freed memory goes back to the system.

The C library keeps freed pieces for later. Batches of ever other lengths leave it more of them than are used again:
over two hours that was 300 megabytes, of which nothing was needed.
"""

from __future__ import annotations

import ctypes
import os


def return_freed_memory() -> None:
    """Asks glibc to return what is free; does nothing where there is another C library, or on Windows.

    Example
    -------
    >>> return_freed_memory()
    """
    library = None if os.name == "nt" else ctypes.CDLL(None)
    if (trim := getattr(library, "malloc_trim", None)) is not None:
        trim(0)
