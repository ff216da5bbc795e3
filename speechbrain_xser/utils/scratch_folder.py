"""A temporary folder of one process, removed at its end; the next process removes what a killed one left.

A lock, which the system releases with the process, tells a folder in use from an abandoned one.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

LOCK = ".lock"


@contextmanager
def scratch_folder(prefix: str) -> Iterator[Path]:
    """Holds a folder in the system's temporary one that only this user can open.

    Arguments
    ---------
    prefix : str
        Of its name; what killed processes have left under it is removed first.

    Example
    -------
    >>> with scratch_folder("xser-shown-") as folder:
    ...     _ = (folder / "copy.wav").write_bytes(b"")
    >>> folder.exists()
    False
    """
    remove_unlocked(Path(tempfile.gettempdir()), prefix)
    lock = _locked_folder(prefix)
    folder = Path(lock.lock_file).parent
    try:
        yield folder
    finally:
        _remove(folder, lock)


def _locked_folder(prefix: str) -> FileLock:
    """Creates and locks a folder; another process that removes unlocked ones may remove it in between."""
    while True:
        lock = FileLock(Path(tempfile.mkdtemp(prefix=prefix), LOCK))
        try:
            lock.acquire()
            return lock
        except FileNotFoundError:
            continue


def _remove(folder: Path, lock: FileLock) -> None:
    """Removes a folder that is held; Windows removes a lock's file only after it is released."""
    shutil.rmtree(folder, ignore_errors=True)
    lock.release()
    if os.name == "nt":
        shutil.rmtree(folder, ignore_errors=True)


def remove_unlocked(place: Path, prefix: str) -> None:
    """Removes the folders of killed processes whose names begin so."""
    for path in place.glob(f"{prefix}*/{LOCK}"):
        if not (is_regular(path) and _is_mine(path.parent)):  # opening a pipe could wait for ever
            continue
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except OSError:  # in use (a Timeout is an OSError), or another user's
            continue
        _remove(path.parent, lock)


def is_regular(path: Path) -> bool:
    """Whether a path is a file itself, and no folder, link or pipe."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:  # nothing is there, or its name is too long
        return False


def _is_mine(folder: Path) -> bool:
    """Whether a folder belongs to this user, so that no other one can change what is in it."""
    try:
        return not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()
    except FileNotFoundError:  # another process has removed it
        return False
