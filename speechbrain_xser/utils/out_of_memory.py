"""Recognises out-of-memory errors of any allocator, and says what needed the memory and how to use less.

Importing this is quick: it needs no torch.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from speechbrain_xser.errors import OutOfMemoryError, XserError

MESSAGES = (  # of errors without a type of their own
    "out of memory",  # the CUDA driver, NCCL in an all-reduce
    "can't allocate memory",  # torch on a CPU
    "alloc_failed",  # cuBLAS, cuDNN
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error comes from an allocator: of Python, torch, CUDA and its libraries, or the operating system.

    Example
    -------
    >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("CUDA error: out of memory"))
    (True, True)
    >>> is_out_of_memory(RuntimeError("shapes differ")), is_out_of_memory(OSError(2, "No such file"))
    (False, False)
    """
    if isinstance(error, XserError):
        return False
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    told = str(error).lower()
    return isinstance(error, RuntimeError) and any(message in told for message in MESSAGES)


@contextmanager
def naming_memory(what: str, remedy: str, kind: type[XserError] = OutOfMemoryError) -> Iterator[None]:
    """Turns an allocator's error into one that says what needed the memory and what to do; others pass.

    Example
    -------
    >>> with naming_memory("loading 'large'", "Give --device cpu."):
    ...     raise MemoryError
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.OutOfMemoryError: Out of memory while loading 'large'. Give --device cpu.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise kind(f"Out of memory while {what}. {remedy}") from error
