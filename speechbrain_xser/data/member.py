"""Clips inside an archive, addressed by their bytes: ``shards/train-000003.tar#1536+32044``.

As in Kaldi's archives, the address is an offset, so a clip is read with one seek and no folder of small files. The
archive must not be compressed.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import BinaryIO, NamedTuple

from speechbrain_xser.data.archives import ARCHIVES
from speechbrain_xser.data.formats import EXPECTED
from speechbrain_xser.errors import AudioError
from speechbrain_xser.utils.files import file_digest

ADDRESS = re.compile(r"(?P<archive>.+\.tar)#(?P<offset>\d+)\+(?P<size>\d+)", re.DOTALL)


class Member(NamedTuple):
    """The place of a clip in an archive."""

    archive: str
    offset: int  # bytes before the clip
    size: int  # bytes of the clip

    @property
    def address(self) -> str:
        """The path as a manifest stores it."""
        return f"{self.archive}#{self.offset}+{self.size}"


def member_of(path: str | os.PathLike) -> Member | None:
    """The archive member that a path addresses; None for an ordinary file.

    Example
    -------
    >>> member_of("shards/train-000003.tar#1536+32044"), member_of("take #3.wav")
    (Member(archive='shards/train-000003.tar', offset=1536, size=32044), None)
    """
    found = ADDRESS.fullmatch(os.fspath(path))
    return Member(found["archive"], int(found["offset"]), int(found["size"])) if found else None


def file_of(path: str | os.PathLike) -> str:
    """The file on disk that contains a clip: the archive, or the clip's own file.

    Example
    -------
    >>> file_of("train-000003.tar#1536+32044"), file_of("a.wav")
    ('train-000003.tar', 'a.wav')
    """
    member = member_of(path)
    return os.fspath(path) if member is None else member.archive


def read_member(member: Member) -> BytesIO:
    """The bytes of a clip in an archive; an ``AudioError`` if the archive is missing or too short."""
    try:
        content = ARCHIVES.read(*member)
    except OSError as error:
        raise AudioError(f"{member.address}: {error.strerror or error}. Check the path and the data folder.") from error
    if len(content) < member.size:
        found = f"{len(content)} of {member.size} bytes are there"
        raise AudioError(f"{member.address}: truncated, {found}. Pack or download it again.")
    return BytesIO(content)


@contextmanager
def opened(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Opens a file, or a clip in an archive, for reading and seeking; an ``AudioError`` if it is missing or empty."""
    if (member := member_of(path)) is not None:
        yield read_member(member)
        return
    _check_there(path)
    try:
        file = open(path, "rb")
    except OSError as error:
        raise AudioError(f"{path}: {error.strerror or error}. Check the permissions.") from error
    with file:
        yield file


def _check_there(path: str | os.PathLike) -> None:
    """Finds a missing or empty file before a decoder is asked."""
    if not os.path.exists(path) or os.path.isdir(path):
        found = "a folder" if os.path.isdir(path) else "no such file"
        raise AudioError(f"{path}: {found}, expected an audio file. Check the path, in a manifest the data folder too.")
    if not os.path.isfile(path):
        raise AudioError(
            f"{path}: a pipe or device; expected a file, which can be read twice. Save it as a file first."
        )
    if os.path.getsize(path) == 0:
        raise AudioError(f"{path}: 0 bytes; expected an audio file. Download it again.")
    if os.fspath(path).lower().endswith(".raw"):
        raise AudioError(f"{path}: raw samples without a header, expected {EXPECTED}. Convert it.")


def sound_digest(path: str | os.PathLike) -> str:
    """The SHA-256 of a clip's bytes, by which results are stored: size and time can stay the same when it changes.

    Arguments
    ---------
    path : str or path-like
        A file, or an address in an archive.

    Returns
    -------
    str
        64 hexadecimal digits; "" if there is no regular file to read, for which reading the sound has a better error.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.tar"
    >>> _ = path.write_bytes(b"..sound..")
    >>> sound_digest(f"{path}#2+5") == sound_digest(path), sound_digest("nowhere.wav")
    (False, '')
    """
    member = member_of(path)
    try:
        if not os.path.isfile(file_of(path)):  # reading a pipe would empty it
            return ""
        return file_digest(path) if member is None else hashlib.sha256(read_member(member).getbuffer()).hexdigest()
    except (OSError, AudioError):
        return ""
