"""A temporary folder of one server, removed when the server ends; the next server removes what a killed one left.

Gradio stores uploads where ``GRADIO_TEMP_DIR`` points, and Python's ``tempfile`` stores everything else: both point
into the folder while it is held.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speechbrain_xser.utils.scratch_folder import is_regular, scratch_folder

PREFIX = "xser-serve-"
UPLOADS = "uploads"


@contextmanager
def private_folder() -> Iterator[Path]:
    """Holds a folder that only this user can open, with a folder ``uploads`` for Gradio."""
    with scratch_folder(PREFIX) as folder, _pointed_at(folder):
        yield folder


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
