"""Turns whatever a person calls a sound file into a path: a path, an address, the bytes of a file, or an open file.

Bytes and open files are copied into a temporary file, so that they are read, and bounded, as any file is.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from speechbrain_xser.data.addresses import is_address
from speechbrain_xser.data.remote import BLOCK_BYTES, LIMITS, fetched
from speechbrain_xser.errors import AudioError, told_as

IN_MEMORY = (bytes, bytearray, memoryview)
SoundSource = str | os.PathLike | bytes | bytearray | memoryview | BinaryIO


@contextmanager
def sound_file(source: SoundSource, most: int = LIMITS.bytes) -> Iterator[str | os.PathLike]:
    """Gives the path of a sound file, which may be gone when the block ends.

    Arguments
    ---------
    source : path, str, bytes or binary file
        A file or pipe, an http(s) address, the content of a file, or a file that is open for reading, from where it
        stands.
    most : int
        Bytes of an open file.

    Yields
    ------
    str or path-like
        A file that can be opened. Errors raised in the block name the source.

    Raises
    ------
    AudioError
        If it is none of these, cannot be read or fetched, or is too large.

    Example
    -------
    >>> with sound_file(b"RIFF") as path:
    ...     os.path.getsize(path)
    4
    """
    if is_address(source):
        with fetched(source) as path:
            yield path
    elif isinstance(source, str | os.PathLike):
        yield source
    else:
        name, file = _opened_content(source)
        with tempfile.TemporaryDirectory() as folder, told_as(name, path := os.path.join(folder, "sound")):
            _copy(file, path, name, most)
            yield path


def is_sound_source(source: object) -> bool:
    """Whether it is what :func:`sound_file` takes, and no array.

    Example
    -------
    >>> is_sound_source("a.wav"), is_sound_source(b"RIFF"), is_sound_source(io.BytesIO()), is_sound_source([0.0])
    (True, True, True, False)
    """
    return isinstance(source, (str, os.PathLike, *IN_MEMORY)) or hasattr(source, "read")


def _opened_content(source: object) -> tuple[str, BinaryIO]:
    """What bytes or an open file are called, and a file to read from."""
    if isinstance(source, IN_MEMORY):
        return "the bytes", io.BytesIO(source)
    if hasattr(source, "read"):
        name = getattr(source, "name", None)
        return name if isinstance(name, str) else "the open file", source
    raise AudioError(
        f"path is {type(source).__name__}; expected a path, an http(s) address, the bytes of a sound file, or an open "
        "one. Pass samples to explain_batch."
    )


def _copy(file: BinaryIO, path: str, name: str, most: int) -> None:
    """Copies an open file from where it stands."""
    size = 0
    try:
        with open(path, "wb") as copy:
            while block := file.read(BLOCK_BYTES):
                size += len(block)
                if size > most:
                    raise AudioError(f"{name}: more than {most} bytes. Give a smaller file.")
                copy.write(block)
    except AudioError:
        raise
    except (OSError, ValueError, TypeError) as error:  # closed, not for reading, or a file of text
        raise AudioError(f"{name}: cannot be read ({error}). Open it for reading bytes.") from error
