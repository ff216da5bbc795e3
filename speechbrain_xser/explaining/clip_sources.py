"""Finds the clips that a command line names: files, folders, pipes, http(s) addresses, and standard input.

Standard input is a list of paths or addresses if it is text, one per line (or ended by NUL, as ``find -print0``
writes them), and otherwise a sound file. What can be read only once, such as a pipe, is copied into a folder first.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from speechbrain_xser.data.addresses import is_address, shown
from speechbrain_xser.data.audio_files import find_audio_below
from speechbrain_xser.data.formats import EXPECTED, HEAD_BYTES, kind_of
from speechbrain_xser.data.spool import is_pipe
from speechbrain_xser.errors import AudioError, ManifestError
from speechbrain_xser.explaining.clips import SourceClip

STANDARD_INPUT = "-"
NEITHER = "contains neither a sound file nor a list of paths"
HEAD = 4096  # bytes of standard input that are inspected


def find_clips(sources: Sequence[str], stream: BinaryIO | None, folder: Path) -> Iterator[SourceClip]:
    """Yields clips in the order in which they are named, those of a folder sorted by path.

    ``-`` stands for ``stream``. A folder without clips, an address that gives nothing, or an unusable standard input
    gives a clip with a fault. Sound from a pipe or standard input is copied into ``folder``; what is at an address
    comes there when its turn comes.

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
    for number, source in enumerate(sources):
        copy = Path(folder, f"sound-{number}")
        if source == STANDARD_INPUT:
            yield from _streamed(stream, copy)
        elif is_pipe(source):
            yield _copied(source, copy)
        else:
            yield from _named(source, copy)


def _named(source: str, copy: Path) -> Iterator[SourceClip]:
    """What a path or an address stands for."""
    if not is_address(source):
        yield from _below(source)
        return
    yield SourceClip(shown(source), str(copy), address=source)


def _copied(source: str, copy: Path) -> SourceClip:
    """A pipe, copied to its end."""
    name = _printable(source)
    try:
        with open(source, "rb") as pipe, open(copy, "wb") as file:
            shutil.copyfileobj(pipe, file)
    except OSError as error:
        return SourceClip(name, source, f"{name}: {error.strerror or error}. Check the permissions.")
    return SourceClip(name, str(copy))


def _below(source: str) -> Iterator[SourceClip]:
    if not Path(source).is_dir():
        yield SourceClip(_printable(source), source)
        return
    try:
        found = find_audio_below(source)
    except ManifestError as error:
        yield SourceClip(_printable(source), source, _printable(str(error)))
        return
    yield from (SourceClip(_printable(str(path)), str(path)) for path in found)


def _is_text(head: bytes) -> bool:
    """Whether it is text; a name may start like a sound file, but no sound file lacks control bytes.

    Example
    -------
    >>> _is_text("ID3_naïve.wav".encode()), _is_text(bytes([73, 68, 51, 4, 0]))
    (True, False)
    """
    return not any(byte < 32 and byte not in b"\t\n\r" for byte in head.replace(b"\0", b"\n")) and head[:1] != b"\xff"


def _printable(path: str) -> str:
    """A path with escapes for bytes that are not UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _streamed(stream: BinaryIO | None, copy: Path) -> Iterator[SourceClip]:
    if stream is None:
        yield SourceClip(STANDARD_INPUT, STANDARD_INPUT, "-: standard input is closed, expected paths or a sound file.")
        return
    head = stream.read(HEAD)
    if _is_text(head):
        yield from _listed(head + stream.read(), copy)
        return
    with open(copy, "wb") as file:
        file.write(head)
        shutil.copyfileobj(stream, file)
    yield SourceClip(STANDARD_INPUT, str(copy)) if _is_sound(copy) else _useless(NEITHER)


def _is_sound(path: Path) -> bool:
    """Whether a decoder recognises it; a damaged sound file counts, and is reported later."""
    from speechbrain_xser.data.audio import stated_length  # torch is slow to load

    with open(path, "rb") as file:
        if kind_of(file.read(HEAD_BYTES)) is not None:
            return True
    try:
        stated_length(path)
    except AudioError:
        return False
    return True


def _useless(found: str) -> SourceClip:
    expected = f"expected paths, one per line, or a sound file: {EXPECTED}"
    return SourceClip(STANDARD_INPUT, STANDARD_INPUT, f"standard input {found}, {expected}.")


def _listed(text: bytes, copy: Path) -> Iterator[SourceClip]:
    ended = b"\0" if b"\0" in text else b"\n"
    lines = [os.fsdecode(line) for line in (part.rstrip(b"\r\n") for part in text.split(ended)) if line]
    if not lines or any(ord(sign) < 32 and sign != "\t" for line in lines for sign in line):
        yield _useless(NEITHER if lines else "is empty")
        return
    for number, line in enumerate(lines):
        yield from _named(line, copy.with_name(f"{copy.name}-{number}"))
