"""Clips inside an archive, addressed by their bytes: ``shards/train-000003.tar#1536+32044``.

As in Kaldi's archives, the address is an offset, so a clip is read with one seek and no directory of small files. The
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

from speechbrain_xser.data.formats import EXPECTED
from speechbrain_xser.errors import AudioError
from speechbrain_xser.utils.files import file_digest

ADDRESS = re.compile(r"(?P<archive>.+\.tar)#(?P<offset>\d+)\+(?P<size>\d+)", re.DOTALL)


class Member(NamedTuple):
    """Where a clip lies in an archive."""

    archive: str
    offset: int  # bytes before the clip
    size: int  # bytes of the clip

    @property
    def address(self) -> str:
        """The path that a manifest has.

        Example
        -------
        >>> Member("shards/train-000003.tar", 1536, 32044).address
        'shards/train-000003.tar#1536+32044'
        """
        return f"{self.archive}#{self.offset}+{self.size}"


def member_of(path: str | os.PathLike) -> Member | None:
    """The place that a path addresses; None for an ordinary file's path.

    Arguments
    ---------
    path : str or path-like
        Of a manifest, its data folder filled in.

    Returns
    -------
    Member or None

    Example
    -------
    >>> member_of("shards/train-000003.tar#1536+32044"), member_of("take #3.wav")
    (Member(archive='shards/train-000003.tar', offset=1536, size=32044), None)
    """
    found = ADDRESS.fullmatch(os.fspath(path))
    return Member(found["archive"], int(found["offset"]), int(found["size"])) if found else None


def file_of(path: str | os.PathLike) -> str:
    """The file on the disk that holds a clip: the archive, or the clip's own.

    Example
    -------
    >>> file_of("train-000003.tar#1536+32044"), file_of("a.wav")
    ('train-000003.tar', 'a.wav')
    """
    member = member_of(path)
    return os.fspath(path) if member is None else member.archive


def read_member(member: Member) -> BytesIO:
    """The bytes of a clip in an archive.

    Arguments
    ---------
    member : Member
        Where it lies.

    Returns
    -------
    BytesIO

    Raises
    ------
    AudioError
        If the archive is missing or ends too early.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.tar"
    >>> _ = path.write_bytes(b"..sound..")
    >>> read_member(Member(str(path), 2, 5)).read()
    b'sound'
    >>> read_member(Member(str(path), 2, 50))
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.AudioError: ...a.tar#2+50: truncated, 7 of 50 bytes are there. Pack or download it again.
    """
    try:
        with open(member.archive, "rb") as file:
            file.seek(member.offset)
            content = file.read(member.size)
    except OSError as error:
        raise AudioError(f"{member.address}: {error.strerror or error}. Check the path and the data folder.") from error
    if len(content) < member.size:
        found = f"{len(content)} of {member.size} bytes are there"
        raise AudioError(f"{member.address}: truncated, {found}. Pack or download it again.")
    return BytesIO(content)


@contextmanager
def opened(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """The bytes of a file, or of a clip in an archive, to be read and sought in.

    Arguments
    ---------
    path : str or path-like
        A file, or an address.

    Yields
    ------
    binary file

    Raises
    ------
    AudioError
        If it cannot be opened, or is empty.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.tar"
    >>> _ = path.write_bytes(b"..sound..")
    >>> with opened(f"{path}#2+5") as file:
    ...     file.read()
    b'sound'
    """
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
    """Missing or empty: found before a decoder is asked."""
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
    """The SHA-256 of a clip's bytes: what is kept of a clip is kept under it, since size and time can stay the same.

    Arguments
    ---------
    path : str or path-like
        A file, or a place in an archive.

    Returns
    -------
    str
        64 hexadecimal digits; "" where no regular file can be read, which reading the sound tells better.

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
