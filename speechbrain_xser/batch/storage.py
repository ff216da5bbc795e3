"""Files on a local disk or in the cloud, by their address: ``clips/a.tar``, ``s3://bucket/a.tar``, ``https://...``.

Local paths go straight to the operating system. Others go through fsspec, except for http and https, which
:mod:`speechbrain_xser.data.remote` fetches. A file is read as a whole: a shard is fetched once, then it is local.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from speechbrain_xser.data.addresses import SCHEMES, is_address, shown
from speechbrain_xser.data.audio_files import find_below
from speechbrain_xser.data.formats import has_sound_suffix
from speechbrain_xser.data.member import Member, member_of
from speechbrain_xser.data.remote import Limits, fetch, fetched
from speechbrain_xser.errors import AudioError, BatchError, FetchError
from speechbrain_xser.utils.files import moved_into_place
from speechbrain_xser.utils.user_file import printable

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

UNREACHABLE = "Check the path, the network and the credentials."
LARGE = Limits(bytes=1 << 40, seconds=86400.0)  # of a shard that is fetched


class StoredFile(NamedTuple):
    """A file and what shows that it changed."""

    path: str
    state: str  # bytes and time, or the store's own tag


def is_web(path: str) -> bool:
    """Whether a path is an http(s) address, which can be fetched but neither listed nor written.

    Example
    -------
    >>> is_web("https://a.example/b.tar"), is_web("s3://bucket/b.tar"), is_web("b.tar")
    (True, False, False)
    """
    return is_address(path) and path.partition("://")[0].lower() in SCHEMES


def name_of(path: str) -> str:
    """A path or an address as a message shows it.

    Example
    -------
    >>> name_of("a.tar"), name_of("https://me:secret@a.example/a.tar?key=1")
    ('a.tar', 'https://a.example/a.tar')
    """
    return shown(path) if is_address(path) else printable(path)


def joined_path(folder: str, name: str) -> str:
    """A path below a folder; an absolute one and an address stay as they are.

    Example
    -------
    >>> joined_path("s3://bucket/clips", "a.wav"), joined_path("s3://bucket", "s3://other/a.wav")
    ('s3://bucket/clips/a.wav', 's3://other/a.wav')
    """
    if is_address(name):
        return name
    return f"{folder.rstrip('/')}/{name.lstrip('/')}" if is_address(folder) else os.path.join(folder, name)


def parent_of(path: str) -> str:
    """The folder that a file is in.

    Example
    -------
    >>> parent_of("s3://bucket/clips/a.jsonl")
    's3://bucket/clips'
    """
    return path.rpartition("/")[0] if is_address(path) else os.path.dirname(os.path.abspath(path))


def find_files(source: str, suffixes: tuple[str, ...]) -> list[StoredFile]:
    """The file of this name, or the sound files and those with one of the suffixes below the folder, sorted.

    Raises
    ------
    BatchError
        If there is no such file or folder, it cannot be reached, or nothing is in it.
    """
    if is_web(source):
        return [StoredFile(source, "")]
    with _told(source):
        found = _stored(source, suffixes) if is_address(source) else _local(source, suffixes)
    if not found:
        raise BatchError(f"{name_of(source)}: no clips, expected sound, .tar, .parquet or .jsonl. Check the path.")
    return found


@contextmanager
def opened_file(path: str) -> Iterator[BinaryIO]:
    """A file for reading in order; a ``BatchError`` if it cannot be reached."""
    with ExitStack() as stack:
        with _told(path):
            if is_web(path):
                path = stack.enter_context(fetched(path, LARGE))
            if is_address(path):
                fs, place = filesystem(path)
                file = stack.enter_context(fs.open(place, "rb"))
            else:
                file = stack.enter_context(open(path, "rb"))
        yield file


def local_copy(path: str, folder: Path, name: str) -> str:
    """The path of a local file with the same content: the file itself, or a copy in ``folder``.

    Of an archive in the cloud, only the bytes of the clip that the path addresses are fetched.

    Raises
    ------
    AudioError
        If it does not exist, which another try would not change.
    BatchError
        If it cannot be reached, or the disk is full.
    """
    if not is_address(path):
        return path
    copy = os.fspath(folder / name)
    with _told(path):
        if is_web(path):
            fetch(path, copy, LARGE)
        elif (member := member_of(path)) is not None:
            Path(copy).write_bytes(_bytes_of(member))
        else:
            fs, place = filesystem(path)
            if not fs.exists(place):
                raise AudioError(f"{name_of(path)}: no such file, expected an audio file. Check the path.")
            fs.get_file(place, copy)
    return copy


def _bytes_of(member: Member) -> bytes:
    fs, place = filesystem(member.archive)
    content = fs.cat_file(place, member.offset, member.offset + member.size)
    if len(content) < member.size:
        found = f"{len(content)} of {member.size} bytes are there"
        raise AudioError(f"{name_of(member.address)}: truncated, {found}. Pack it again.")
    return content


def write_file(path: str, content: bytes) -> None:
    """Writes a file that appears complete or not at all; its local folder has to exist.

    Raises
    ------
    BatchError
        If it cannot be written, for instance because the disk is full.
    """
    with _told(path, "Free some space, or check the permissions, and give the same command again."):
        if is_address(path):
            fs, place = filesystem(path)
            fs.pipe_file(place, content)  # an object appears when all of it has arrived
            return
        with moved_into_place(path) as beside:
            beside.write_bytes(content)


def read_file(path: str) -> bytes | None:
    """The content of a file; None if there is none."""
    with _told(path):
        if is_address(path):
            fs, place = filesystem(path)
            fs.invalidate_cache()
            return fs.cat_file(place) if fs.exists(place) else None
        return Path(path).read_bytes() if Path(path).is_file() else None


def is_there(path: str) -> bool:
    """Whether there is such a file."""
    with _told(path):
        if is_address(path):
            fs, place = filesystem(path)
            fs.invalidate_cache()
            return fs.exists(place)
        return os.path.isfile(path)


def names_in(folder: str) -> set[str]:
    """Names of what is in a folder; none if it does not exist."""
    with _told(folder):
        if is_address(folder):
            fs, place = filesystem(folder)
            fs.invalidate_cache()
            return {name.rpartition("/")[2] for name in fs.ls(place, detail=False)} if fs.exists(place) else set()
        return set(os.listdir(folder)) if os.path.isdir(folder) else set()


def filesystem(path: str) -> tuple[AbstractFileSystem, str]:
    """The file system of an address, and the place in it.

    Raises
    ------
    BatchError
        If no library for it is installed.
    """
    from fsspec.core import url_to_fs  # rarely needed

    try:
        return url_to_fs(path)
    except (ImportError, ValueError) as error:
        raise BatchError(f"{shown(path)}: {error}. Check the address, or install what fsspec names.") from error


def _local(source: str, suffixes: tuple[str, ...]) -> list[StoredFile]:
    if not os.path.isdir(source):
        return [_state(source)]
    found = find_below(source, lambda path: path.suffix in suffixes or has_sound_suffix(path))
    return [_state(os.fspath(path)) for path in found]


def _state(path: str) -> StoredFile:
    found = os.stat(path)
    return StoredFile(path, f"{found.st_size} {found.st_mtime_ns}")


def _stored(source: str, suffixes: tuple[str, ...]) -> list[StoredFile]:
    fs, place = filesystem(source)
    scheme = source.partition("://")[0]
    found = fs.find(place, detail=True)
    if not found and not fs.exists(place):
        raise FileNotFoundError("no such file or folder")
    alone = list(found) == [place]
    return [
        StoredFile(f"{scheme}://{name.lstrip('/')}", f"{facts.get('size')} {facts.get('ETag', '')}")
        for name, facts in sorted(found.items())
        if alone or name.endswith(suffixes) or has_sound_suffix(name)
    ]


@contextmanager
def _told(path: str, remedy: str = UNREACHABLE) -> Iterator[None]:
    """Turns what a disk or a store raises into an error that names the path."""
    try:
        yield
    except FetchError as error:
        raise BatchError(str(error)) from error
    except (BatchError, AudioError):
        raise
    except Exception as error:
        if not isinstance(error, OSError) and not is_address(path):
            raise
        told = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise BatchError(f"{name_of(path)}: {told}. {remedy}") from error
