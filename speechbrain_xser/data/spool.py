"""Pipes as files: what can be read once only, as ``<(command)``, ``/dev/stdin`` and FIFOs, is copied first.

Decoders seek, and a file is opened once for its header and once for its sound.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from speechbrain_xser.data.member import member_of
from speechbrain_xser.errors import AudioError, told_as


@contextmanager
def regular_file(path: str | os.PathLike) -> Iterator[str]:
    """Lends a path that can be opened any number of times.

    Arguments
    ---------
    path : str or path-like
        Anything; a pipe is read to its end.

    Yields
    ------
    str
        The path itself, or that of a pipe's copy, which is removed at the end. Errors raised meanwhile name ``path``.

    Raises
    ------
    AudioError
        If a pipe cannot be read.

    Example
    -------
    >>> with regular_file("a.wav") as path:
    ...     path
    'a.wav'
    """
    if not is_pipe(path):
        yield os.fspath(path)
        return
    with tempfile.TemporaryDirectory() as folder, told_as(os.fspath(path), copy := os.path.join(folder, "sound")):
        try:
            with open(path, "rb") as pipe, open(copy, "wb") as file:
                shutil.copyfileobj(pipe, file)
        except OSError as error:
            raise AudioError(f"{path}: {error.strerror or error}. Check the permissions.") from error
        yield copy


def is_pipe(path: str | os.PathLike) -> bool:
    """Whether a path is there and is neither a file nor a folder.

    Example
    -------
    >>> is_pipe("nowhere.wav"), is_pipe(os.curdir)
    (False, False)
    """
    return member_of(path) is None and os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path))
