"""A temporary folder of one server, which goes when the server does; what a killed one left goes with the next.

Gradio stores uploads where ``GRADIO_TEMP_DIR`` points, and Python's ``tempfile`` everything else: both point into the
folder while it is held. A lock, which the system drops with the process, tells a folder in use from one left behind.
"""

from __future__ import annotations

import os
import shutil
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
    """Holds a folder that only this user can open.

    Yields
    ------
    Path
        With a folder ``uploads`` in it, where Gradio stores what it is given.

    Example
    -------
    >>> with private_folder() as folder:
    ...     os.environ["GRADIO_TEMP_DIR"] == str(folder / "uploads")
    True
    >>> folder.exists()
    False
    """
    remove_abandoned(Path(tempfile.gettempdir()))
    lock = _locked_folder()
    folder = Path(lock.lock_file).parent
    try:
        with _pointed_at(folder):
            yield folder
    finally:
        _remove(folder, lock)


def _locked_folder() -> FileLock:
    """Makes a folder and locks it; another server that looks for abandoned ones may take it away in between."""
    while True:
        lock = FileLock(Path(tempfile.mkdtemp(prefix=PREFIX), LOCK))
        try:
            lock.acquire()
            return lock
        except FileNotFoundError:
            continue


def _remove(folder: Path, lock: FileLock) -> None:
    """Removes a folder while it is held; Windows removes the file of a lock only when that is released."""
    shutil.rmtree(folder, ignore_errors=True)
    lock.release()
    if os.name == "nt":
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(place: Path) -> None:
    """Removes the folders of servers that were killed.

    Arguments
    ---------
    place : Path
        Where temporary folders are.

    Example
    -------
    >>> place = getfixture("tmp_path")
    >>> (place / "xser-serve-1").mkdir(), (place / "xser-serve-1" / ".lock").touch()
    (None, None)
    >>> remove_abandoned(place)
    >>> list(place.iterdir())
    []
    """
    for path in place.glob(f"{PREFIX}*/{LOCK}"):
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except OSError:  # in use (a Timeout is one), or another user's
            continue
        _remove(path.parent, lock)


def remove_old(folder: Path, seconds: float) -> None:
    """Removes files that nobody has touched for a while: uploads that were broken off, or never asked about.

    Arguments
    ---------
    folder : Path
        Looked through to any depth.
    seconds : float
        Files that were written longer ago go.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "a.wav").touch()
    >>> remove_old(folder, seconds=60), len(list(folder.iterdir()))
    (None, 1)
    >>> remove_old(folder, seconds=-1), len(list(folder.iterdir()))
    (None, 0)
    """
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        try:
            if time.time() - path.stat().st_mtime > seconds:
                remove_upload(path)
        except FileNotFoundError:  # somebody has taken it
            continue


def remove_upload(path: Path) -> None:
    """Removes a file, and the folder that Gradio made for it alone.

    Example
    -------
    >>> uploads = getfixture("tmp_path") / "uploads"
    >>> (uploads / "1f").mkdir(parents=True), (uploads / "1f" / "a.wav").touch()
    (None, None)
    >>> remove_upload(uploads / "1f" / "a.wav")
    >>> list(uploads.iterdir())
    []
    """
    path.unlink(missing_ok=True)
    if path.parent.parent.name == UPLOADS:
        try:
            path.parent.rmdir()
        except OSError:  # another file is in it
            pass


@contextmanager
def taken(upload: Path) -> Iterator[Path]:
    """Takes an upload for oneself, and removes it at the end: another upload of the same content has the same path.

    Yields
    ------
    Path
        Of the same name, elsewhere.

    Raises
    ------
    FileNotFoundError
        If it is no longer there.

    Example
    -------
    >>> upload = getfixture("tmp_path") / "a.wav"
    >>> upload.touch()
    >>> with taken(upload) as file:
    ...     file.name, file.exists(), upload.exists()
    ('a.wav', True, False)
    >>> file.exists()
    False
    """
    place = Path(tempfile.mkdtemp())
    try:
        os.rename(upload, place / upload.name)
        remove_upload(upload)
        yield place / upload.name
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _pointed_at(folder: Path) -> Iterator[None]:
    """Gradio and ``tempfile`` write into the folder."""
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
