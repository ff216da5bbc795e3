"""Turns pipes into files: ``<(command)``, ``/dev/stdin`` and FIFOs can be read only once, so they are copied first.

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
    """Gives a path that can be opened repeatedly: the path itself, or a pipe's copy, removed at the block's end.

    Errors raised in the block name the original path. A pipe that cannot be read raises an ``AudioError``.
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
    """Whether a path exists and is neither a file nor a folder."""
    return member_of(path) is None and os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path))
