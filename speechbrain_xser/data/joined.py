"""Detects files that were concatenated (``cat a.wav b.wav``); a decoder reads only the first of them.

WAV, AIFF and MP4 state where they end; FLAC is searched for a second start. Joined MP3 and Ogg need no check: they are
read to their end (:mod:`speechbrain_xser.data.truncation`).
"""

from __future__ import annotations

import os
import re
import struct
from typing import BinaryIO

FLAC_BEGINS = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")  # the marker, then a 34-byte block, which always comes first
BLOCK_BYTES = 1 << 20
ENDS = {b"RIFF": "<I", b"FORM": ">I"}  # format of the number of bytes that follow


def second_beginning(file: BinaryIO) -> int | None:
    """The byte where a second sound file of the same kind starts; None for one file alone, or if nothing shows it.

    Example
    -------
    >>> from io import BytesIO
    >>> wav = b"RIFF" + struct.pack("<I", 8) + b"WAVEdata"
    >>> second_beginning(BytesIO(wav)), second_beginning(BytesIO(wav + wav))
    (None, 16)
    """
    file.seek(0)
    start = file.read(12)
    if start[:4] in ENDS and len(start) == 12:
        end = 8 + struct.unpack(ENDS[start[:4]], start[4:8])[0]
        end += end % 2
        file.seek(end)
        following = file.read(12)
        return end if (following[:4], following[8:]) == (start[:4], start[8:]) else None
    if start[:4] == b"fLaC":
        return _second_flac(file)
    return _second_mp4(file) if start[4:8] == b"ftyp" else None


def _second_flac(file: BinaryIO) -> int | None:
    place, tail = file.seek(4), b""
    while block := file.read(BLOCK_BYTES):
        if found := FLAC_BEGINS.search(tail + block):
            return place - len(tail) + found.start()
        place, tail = place + len(block), block[-7:]  # the pattern has eight bytes
    return None


def _second_mp4(file: BinaryIO) -> int | None:
    """Walks the boxes (ISO/IEC 14496-12); size 1 means that a 64-bit size follows, 0 the rest of the file."""
    size, place = file.seek(0, os.SEEK_END), 0
    while place + 16 <= size:
        file.seek(place)
        length, name, long_length = struct.unpack(">I4sQ", file.read(16))
        if name == b"ftyp" and place:
            return place
        length = long_length if length == 1 else length
        if length < 8:
            return None
        place += length
    return None
