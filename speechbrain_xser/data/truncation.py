"""Truncated WAV and Ogg files, which libsndfile reads as far as they go without a word.

A WAV file states the bytes of its data; an Ogg file marks its last page ("end of stream", RFC 3533 section 6).
"""

from __future__ import annotations

import os
import struct

OGG_PAGE_BYTES = 65307  # the longest page
END_OF_STREAM = 4
UNKNOWN_SIZES = (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000)  # written by tools that stream and cannot seek back


def missing_bytes(path: str | os.PathLike) -> int:
    """How many bytes the data chunk of a WAV file lacks.

    Arguments
    ---------
    path : str or path-like
        Any file.

    Returns
    -------
    int
        Bytes promised by the header and not there; 0 if nothing is missing, the size is not stated, or the file is
        no RIFF WAV file.

    Example
    -------
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "cut.wav")
    >>> header = b"RIFF" + struct.pack("<I", 46) + b"WAVE" + b"data" + struct.pack("<I", 10)
    >>> _ = open(path, "wb").write(header + bytes(4))
    >>> missing_bytes(path)
    6
    """
    with open(path, "rb") as file:
        start = file.read(12)
        if start[:4] != b"RIFF" or start[8:] != b"WAVE":
            return 0
        return _missing(file, os.path.getsize(path))


def ends_early(path: str | os.PathLike) -> bool:
    """Whether an Ogg file (opus, vorbis) lacks its last page; False for any other file.

    Arguments
    ---------
    path : str or path-like
        Any file.

    Returns
    -------
    bool
        True if the last page is not whole or not marked as the last.

    Example
    -------
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "cut.opus")
    >>> _ = open(path, "wb").write(b"OggS" + bytes(1) + bytes([2]) + bytes(100))  # marked as the first page only
    >>> ends_early(path)
    True
    """
    with open(path, "rb") as file:
        if file.read(4) != b"OggS":
            return False
        file.seek(max(0, os.path.getsize(path) - OGG_PAGE_BYTES))
        _, _, page = file.read().rpartition(
            b"OggS\0"
        )  # the rest: flags, 20 bytes, count of segments, their sizes, body
    sizes = page[22 : 22 + page[21]] if len(page) > 21 else b""
    return len(page) < 22 + len(sizes) + sum(sizes) or not page[0] & END_OF_STREAM


def _missing(file, size: int) -> int:
    """Walks the chunks (name, size, content padded to even) to the data."""
    while len(head := file.read(8)) == 8:
        name, length = head[:4], struct.unpack("<I", head[4:])[0]
        if name == b"data":
            return 0 if length in UNKNOWN_SIZES else max(0, length - (size - file.tell()))
        file.seek(length + length % 2, os.SEEK_CUR)
    return 0
