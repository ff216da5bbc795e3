"""The clips that a command line names: files, folders, and what comes through standard input.

Standard input is a sound file where it begins as one, and else a list of paths, one a line (or ended by NUL, as
``find -print0`` writes them).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from speechbrain_xser.data.audio import AUDIO_SUFFIXES, VIDEO_SUFFIXES
from speechbrain_xser.data.named import find_audio_below
from speechbrain_xser.errors import ManifestError
from speechbrain_xser.explaining.clips import Clip

STANDARD_INPUT = "-"
BEGINNINGS = (
    (b"fLaC", ".flac"),
    (b"OggS", ".ogg"),
    (b"ID3", ".mp3"),
    (b"\x1a\x45\xdf\xa3", ".webm"),
    (b"RF64", ".wav"),
)
RIFF_KINDS = {b"WAVE": ".wav", b"AVI ": ".avi"}
HEAD = 4096  # bytes that are looked at


def find_clips(sources: Sequence[str], stream: BinaryIO | None, folder: Path) -> Iterator[Clip]:
    """Clips in the order in which they are named, those of a folder in the order of their paths.

    Arguments
    ---------
    sources : sequence of str
        Files, folders, or ``-`` for what comes through ``stream``.
    stream : binary file or None
        Standard input; None where it is closed.
    folder : Path
        Where a sound file from standard input is put.

    Yields
    ------
    Clip
        With a fault for a folder without clips, or a standard input of no use.

    Example
    -------
    >>> import io
    >>> place = getfixture("tmp_path")
    >>> (place / "b.wav").touch(), (place / "a.mp4").touch()
    (None, None)
    >>> found = find_clips([str(place), "-"], io.BytesIO(b"one.wav\\ntwo.wav\\n"), place)
    >>> [Path(clip.name).name for clip in found]
    ['a.mp4', 'b.wav', 'one.wav', 'two.wav']
    """
    for source in sources:
        if source == STANDARD_INPUT:
            yield from _streamed(stream, folder)
        else:
            yield from _below(source)


def sound_suffix(head: bytes) -> str | None:
    """What kind of sound file begins so, by its usual suffix; None for anything else.

    Example
    -------
    >>> sound_suffix(b"RIFF\\x00\\x00\\x00\\x00WAVEfmt "), sound_suffix(b"\\xff\\xfb\\x90"), sound_suffix(b"a.wav\\n")
    ('.wav', '.mp3', None)
    """
    if head[:4] == b"RIFF":
        return RIFF_KINDS.get(head[8:12])
    if head[4:8] == b"ftyp":
        return ".mp4"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:  # the sync word of mp3 and aac
        return ".mp3" if head[1] & 0x06 else ".aac"
    return next((suffix for beginning, suffix in BEGINNINGS if head.startswith(beginning)), None)


def _below(source: str) -> Iterator[Clip]:
    if not Path(source).is_dir():
        yield Clip(_printable(source), source)
        return
    try:
        found = find_audio_below(source, (*AUDIO_SUFFIXES, *VIDEO_SUFFIXES))
    except ManifestError as error:
        yield Clip(_printable(source), source, _printable(str(error)))
        return
    yield from (Clip(_printable(str(path)), str(path)) for path in found)


def _is_text(head: bytes) -> bool:
    """Whether it is names, one of which may begin as a sound file does: no sound file lacks control bytes.

    Example
    -------
    >>> _is_text("ID3_naïve.wav".encode()), _is_text(bytes([73, 68, 51, 4, 0]))
    (True, False)
    """
    return not any(byte < 32 and byte not in b"\t\n\r" for byte in head.replace(b"\0", b"\n")) and head[:1] != b"\xff"


def _printable(path: str) -> str:
    """A path whose bytes that are no UTF-8 stand as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _streamed(stream: BinaryIO | None, folder: Path) -> Iterator[Clip]:
    if stream is None:
        yield Clip(STANDARD_INPUT, STANDARD_INPUT, "-: standard input is closed, expected paths or a sound file.")
        return
    head = stream.read(HEAD)
    suffix = None if _is_text(head) else sound_suffix(head)
    if suffix is None:
        yield from _listed(head + stream.read())
        return
    path = Path(folder, f"sound{suffix}")
    with open(path, "wb") as file:
        file.write(head)
        shutil.copyfileobj(stream, file)
    yield Clip(STANDARD_INPUT, str(path))


def _listed(text: bytes) -> Iterator[Clip]:
    ended = b"\0" if b"\0" in text else b"\n"
    lines = [os.fsdecode(line) for line in (part.rstrip(b"\r\n") for part in text.split(ended)) if line]
    if not lines or any(ord(sign) < 32 and sign != "\t" for line in lines for sign in line):
        found = "holds what is neither a sound file nor a list of paths" if lines else "is empty"
        expected = "expected paths, one a line, or a wav, flac, ogg, opus, mp3, mp4, m4a or webm file"
        yield Clip(STANDARD_INPUT, STANDARD_INPUT, f"standard input {found}, {expected}.")
        return
    for line in lines:
        yield from _below(line)
