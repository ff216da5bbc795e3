"""A temporary folder of one server, removed when the server ends; the next server removes what a killed one left.

Gradio stores uploads where ``GRADIO_TEMP_DIR`` points, and Python's ``tempfile`` stores everything else: both point
into the folder while it is held. A lock, which the system releases with the process, tells a folder in use from an
abandoned one.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

PREFIX = "xser-serve-"
LOCK = ".lock"
UPLOADS = "uploads"


@contextmanager
def private_folder() -> Iterator[Path]:
    """Holds a folder that only this user can open, with a folder ``uploads`` for Gradio."""
    remove_abandoned(Path(tempfile.gettempdir()))
    lock = _locked_folder()
    folder = Path(lock.lock_file).parent
    try:
        with _pointed_at(folder):
            yield folder
    finally:
        _remove(folder, lock)


def _locked_folder() -> FileLock:
    """Creates and locks a folder; another server that removes abandoned ones may remove it in between."""
    while True:
        lock = FileLock(Path(tempfile.mkdtemp(prefix=PREFIX), LOCK))
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


def remove_abandoned(place: Path) -> None:
    """Removes the folders of killed servers."""
    for path in place.glob(f"{PREFIX}*/{LOCK}"):
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
    except FileNotFoundError:  # another server has removed it
        return False


def files_in(folder: Path) -> Iterator[Path]:
    """The regular files below a folder, from which others may remove files and folders at the same time."""
    for place, _, names in os.walk(folder):  # passes over what has gone, unlike a glob
        yield from (path for path in (Path(place, name) for name in names) if is_regular(path))


def remove_old(folder: Path, seconds: float) -> None:
    """Removes files not modified for some seconds: uploads that were broken off or never used."""
    for path in list(files_in(folder)):
        try:
            if time.time() - path.stat().st_mtime > seconds:
                remove_upload(path)
        except FileNotFoundError:  # another thread has taken it
            continue


def remove_upload(path: Path) -> None:
    """Removes a file, and the folder that Gradio made for it alone."""
    if is_regular(path):
        path.unlink(missing_ok=True)
    if path.parent.parent.name == UPLOADS:
        try:
            path.parent.rmdir()
        except OSError:  # another file is in it
            pass


@contextmanager
def taken(upload: Path) -> Iterator[Path]:
    """Moves an upload away and removes it at the end; a ``FileNotFoundError`` if it is no file."""
    if not is_regular(upload):
        raise FileNotFoundError(upload)
    place = Path(tempfile.mkdtemp())
    try:
        os.rename(upload, place / upload.name)
        remove_upload(upload)
        yield place / upload.name
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _pointed_at(folder: Path) -> Iterator[None]:
    """Makes Gradio and ``tempfile`` write into the folder."""
    uploads, before = os.environ.get("GRADIO_TEMP_DIR"), tempfile.tempdir
    (folder / UPLOADS).mkdir()
    os.environ["GRADIO_TEMP_DIR"], tempfile.tempdir = str(folder / UPLOADS), str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
        os.environ.pop("GRADIO_TEMP_DIR")
        if uploads is not None:
            os.environ["GRADIO_TEMP_DIR"] = uploads
