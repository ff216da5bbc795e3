"""Locks on folders, which end with the process that holds them, however it ends and in whatever container it is.

Where the system or the file system has no such locks, a folder is never locked and counts as one that is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Locks a folder while the block runs.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> with locked(folder):
    ...     is_locked(folder)
    True
    >>> is_locked(folder)
    False
    """
    with ExitStack() as held:
        with suppress(ImportError, OSError):
            held.callback(os.close, _lock(folder))
        yield


def is_locked(folder: Path) -> bool:
    """Whether a process holds a folder."""
    try:
        os.close(_lock(folder))
        return False
    except (ImportError, OSError):
        return True


def _lock(folder: Path) -> int:
    """A descriptor that holds the lock; raises OSError if another one holds it."""
    import fcntl  # not on Windows

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
