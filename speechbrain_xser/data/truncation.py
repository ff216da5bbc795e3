"""Reads what a file states about its own size, which libsndfile and FFmpeg ignore silently.

WAV, AIFF, CAF, W64 and AU state the bytes of their data. A tool that streams or is killed leaves a size there that
cannot be true: zero, or some large number. Such a size is unknown, and the file is read to its end. An Ogg file marks
its last page ("end of stream", RFC 3533 section 6); several streams may follow one another ("chained"). An MP3 with a
table of contents (Xing, Info or VBRI) states its number of frames.
"""

from __future__ import annotations

import os
import struct
from typing import BinaryIO, NamedTuple

OGG_PAGE_BYTES = 65307  # the longest page
FIRST_OF_STREAM, END_OF_STREAM = 2, 4
UNKNOWN_SIZES = (0, 0x7FFFF000, 0x7FFFFFFF, 0x80000000)  # placeholders; other impossible sizes are detected
ID3_BYTES = 10


class Chunks(NamedTuple):
    """How the chunks of a format are laid out."""

    start: int  # bytes before the first
    head: struct.Struct  # name and size of a chunk
    padded: int  # chunks start at multiples of this
    data: bytes  # the start of the name of the chunk with the samples
    counted: int = 0  # bytes of the head that the size includes


CHUNKS = {
    b"RIFF": Chunks(12, struct.Struct("<4sI"), 2, b"data"),
    b"RF64": Chunks(12, struct.Struct("<4sI"), 2, b"data"),
    b"BW64": Chunks(12, struct.Struct("<4sI"), 2, b"data"),
    b"FORM": Chunks(12, struct.Struct(">4sI"), 2, b"SSND"),
    b"caff": Chunks(8, struct.Struct(">4sq"), 1, b"data"),
    b"riff": Chunks(40, struct.Struct("<16sQ"), 8, b"data", counted=24),
}


def missing_bytes(file: BinaryIO) -> int:
    """How many bytes of sound a file lacks by its header; 0 if none, or if the size is unknown or not stated.

    Example
    -------
    >>> from io import BytesIO
    >>> header = b"RIFF" + struct.pack("<I", 46) + b"WAVE" + b"data" + struct.pack("<I", 10)
    >>> missing_bytes(BytesIO(header + bytes(4))), missing_bytes(BytesIO(header + bytes(10)))
    (6, 0)
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(12)
    if start[:4] == b".snd" and len(start) == 12:
        offset, promised = struct.unpack(">II", start[4:])
        return 0 if promised == 0xFFFFFFFF else max(0, offset + promised - size)
    sound = _sound_chunk(file, start)
    if sound is None or sound.unknown:
        return 0
    return max(0, sound.promised - (size - sound.place))


def states_no_size(file: BinaryIO) -> bool:
    """Whether a WAV file states that it is empty, but is not.

    Example
    -------
    >>> from io import BytesIO
    >>> header = b"RIFF" + bytes(4) + b"WAVE" + b"data" + bytes(4)
    >>> states_no_size(BytesIO(header)), states_no_size(BytesIO(header + bytes(320)))
    (False, True)
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(12)
    sound = _sound_chunk(file, start) if start[:4] == b"RIFF" else None
    return sound is not None and sound.promised == 0 and size - sound.place > CHUNKS[b"RIFF"].head.size


def ends_early(file: BinaryIO) -> bool:
    """Whether the last page of an Ogg file is incomplete or not marked as the last; False for any other file.

    Example
    -------
    >>> from io import BytesIO
    >>> ends_early(BytesIO(b"OggS" + bytes(1) + bytes([2]) + bytes(100)))  # marked as the first page only
    True
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if file.read(4) != b"OggS":
        return False
    file.seek(max(0, size - OGG_PAGE_BYTES))
    _, _, page = file.read().rpartition(b"OggS\0")  # the rest: flags, 20 bytes, count of segments, their sizes, body
    sizes = page[22 : 22 + page[21]] if len(page) > 21 else b""
    return len(page) < 22 + len(sizes) + sum(sizes) or not page[0] & END_OF_STREAM


def is_chained(file: BinaryIO) -> bool:
    """Whether an Ogg file is several streams in a row, of which libsndfile reads only the first.

    It reads the head of every page and decodes nothing.

    Example
    -------
    >>> from io import BytesIO
    >>> page = b"OggS" + bytes(1) + bytes([2 | 4]) + bytes(20) + bytes([1, 3]) + b"abc"  # the first and the last
    >>> is_chained(BytesIO(page)), is_chained(BytesIO(page + page))
    (False, True)
    """
    file.seek(0)
    ended = False
    while len(head := file.read(27)) == 27 and head[:4] == b"OggS":
        if ended and head[5] & FIRST_OF_STREAM:
            return True
        ended = ended or bool(head[5] & END_OF_STREAM)
        file.seek(sum(file.read(head[26])), os.SEEK_CUR)
    return False


def mp3_frames(file: BinaryIO) -> int:
    """The number of frames in the table of contents of an MP3 file; 0 without a table.

    The table describes the file that it was written for, not another one appended to it.

    Example
    -------
    >>> from io import BytesIO
    >>> mp3_frames(BytesIO(b"\\xff\\xfb\\x90\\x00" + bytes(32) + b"Xing" + struct.pack(">II", 1, 75)))
    75
    """
    file.seek(0)
    tag = file.read(ID3_BYTES)
    tagged = tag[:3] == b"ID3" and len(tag) == ID3_BYTES
    file.seek(ID3_BYTES + sum(byte << 7 * (3 - place) for place, byte in enumerate(tag[6:])) if tagged else 0)
    frame = file.read(192)  # MPEG's head and side information, then the table
    _, table, rest = frame.partition(b"Xing" if b"Xing" in frame else b"Info")
    if table:
        return int.from_bytes(rest[4:8]) if int.from_bytes(rest[:4]) & 1 else 0
    return int.from_bytes(frame[50:54]) if frame[36:40] == b"VBRI" else 0


class _Sound(NamedTuple):
    """The chunk with the samples."""

    place: int  # position of its first byte
    promised: int  # bytes of whole samples
    unknown: bool  # whether that number cannot be true


def _sound_chunk(file: BinaryIO, start: bytes) -> _Sound | None:
    """Finds the chunk with the samples; earlier chunks may give the samples' width and a 64-bit size."""
    chunks = CHUNKS.get(start[:4])
    if chunks is None:
        return None
    whole = 8 + int.from_bytes(start[4:8], "little") if start[:4] == b"RIFF" else None  # of a torn file fewer bytes
    align, long_size, end = 1, None, file.seek(0, os.SEEK_END)
    place = file.seek(chunks.start)
    while len(head := file.read(chunks.head.size)) == chunks.head.size:
        name, size = chunks.head.unpack(head)
        place, size = place + len(head), size - chunks.counted
        if name.startswith(chunks.data):
            size = long_size if size == 0xFFFFFFFF and long_size is not None else size
            return _Sound(place, size - size % align, _is_unknown(size, place, whole))
        if name[:4] == b"ds64":
            long_size = int.from_bytes(file.read(16)[8:], "little")
        if name[:4] == b"fmt ":
            align = max(1, int.from_bytes(file.read(14)[12:], "little"))
        if not 0 <= size <= end - place:  # a position of 64 bits cannot be sought
            return None
        place = file.seek(place + size + -size % chunks.padded)
    return None


def _is_unknown(size: int, place: int, whole: int | None) -> bool:
    """Whether a size is a placeholder, or exceeds that of the whole RIFF file, which may be a placeholder itself."""
    if size <= 0 or size in UNKNOWN_SIZES:
        return True
    return whole is not None and (place + size > whole or whole - 8 in (*UNKNOWN_SIZES, 0xFFFFFFFF))
