"""Files on a local disk or in the cloud, by their address: ``clips/a.tar``, ``s3://bucket/a.tar``, ``https://...``.

Local paths go straight to the operating system. Others go through fsspec, except for http and https, which
:mod:`speechbrain_xser.data.remote` fetches. A file is read as a whole: a shard is fetched once, then it is local.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, BinaryIO, NamedTuple
from uuid import uuid4

from speechbrain_xser.data.addresses import SCHEMES, is_address, shown
from speechbrain_xser.data.audio_files import find_below
from speechbrain_xser.data.formats import has_sound_suffix
from speechbrain_xser.data.member import Member, member_of
from speechbrain_xser.data.remote import LIMITS, Limits, fetch
from speechbrain_xser.errors import AudioError, BatchError, FetchError
from speechbrain_xser.utils.files import moved_into_place
from speechbrain_xser.utils.user_file import printable

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

PLAN = "_plan.json"  # marks a folder of rows; readers of tables skip names with an underscore
UNREACHABLE = "Check the path, the network and the credentials."
OBJECTS = {"s3", "gs", "az", "abfs", "memory"}  # stores without halves of files
FREE = "Free some space, or check the permissions, and give the same command again."
TAGS = ("ETag", "etag", "md5Hash", "LastModified", "last_modified", "mtime")  # as stores call them
WEB_FILE = "file"
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

    Folders of rows, which have a ``_plan.json``, are no inputs: OUT may lie in the folder that is read.

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


@lru_cache(maxsize=4)
def web_copy(address: str) -> TemporaryDirectory:
    """A folder with ``file``, what is at an http(s) address; fetched once by a process, and removed when it ends."""
    with _told(address):
        folder = TemporaryDirectory(prefix="xser-web-")
        fetch(address, os.path.join(folder.name, WEB_FILE), LARGE)
        return folder


@contextmanager
def opened_file(path: str) -> Iterator[BinaryIO]:
    """A file for reading in order; a ``BatchError`` if it cannot be reached."""
    with ExitStack() as stack:
        with _told(path):
            if is_web(path):
                path = os.path.join(web_copy(path).name, WEB_FILE)
            if is_address(path):
                fs, place = filesystem(path)
                file = stack.enter_context(fs.open(place, "rb"))
            else:
                file = stack.enter_context(open(path, "rb"))
        yield file


def local_copy(path: str, folder: Path, name: str, limits: Limits = LIMITS) -> str:
    """The path of a local file with the same content: the file itself, or a copy in ``folder``.

    Of an archive in the cloud, only the bytes of the clip that the path addresses are fetched.

    Raises
    ------
    AudioError
        If it does not exist or may not be read, which another try would not change.
    BatchError
        If it cannot be reached, or the disk is full.
    """
    if not is_address(path):
        return path
    copy = os.fspath(folder / name)
    with _told(path):
        if is_web(path):
            fetch(path, copy, limits)
        elif (member := member_of(path)) is not None:
            Path(copy).write_bytes(_bytes_of(member))
        else:
            fs, place = filesystem(path)
            if not fs.exists(place):
                raise AudioError(f"{name_of(path)}: no such file, expected an audio file. Check the path.")
            _get(fs, place, copy, path)
    return copy


def _get(fs: AbstractFileSystem, place: str, copy: str, path: str) -> None:
    try:
        fs.get_file(place, copy)
    except PermissionError as error:
        raise AudioError(f"{name_of(path)}: may not be read ({error}). Check its rights.") from error


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
    with _told(path, FREE):
        if is_address(path):
            fs, place = filesystem(path)
            return _pipe_whole(fs, place, content)
        with moved_into_place(path) as beside:
            beside.write_bytes(content)


def write_new(path: str, content: bytes) -> None:
    """As :func:`write_file`, but on a local disk, a file that is there stays as it is."""
    if is_address(path):
        return write_file(path, content)
    with _told(path, FREE), suppress(FileExistsError), moved_into_place(path) as beside:
        beside.write_bytes(content)
        try:
            os.link(beside, path)
        except FileExistsError:
            raise
        except OSError:  # a disk without links
            pass


def _pipe_whole(fs: AbstractFileSystem, place: str, content: bytes) -> None:
    """An object appears when all of it has arrived; a file of a disk far away is written beside and moved."""
    if OBJECTS.intersection([fs.protocol] if isinstance(fs.protocol, str) else fs.protocol):
        fs.pipe_file(place, content)
        return
    folder, _, name = place.rpartition("/")
    beside = f"{folder}/.{name}.{uuid4().hex}.part"
    fs.makedirs(folder, exist_ok=True)
    try:
        fs.pipe_file(beside, content)
        fs.mv(beside, place)
    except BaseException:
        with suppress(Exception):
            fs.rm_file(beside)
        raise


def read_file(path: str) -> bytes | None:
    """The content of a file; None if there is none."""
    with _told(path):
        if is_address(path):
            fs, place = filesystem(path)
            fs.invalidate_cache()
            return fs.cat_file(place) if fs.exists(place) else None
        return Path(path).read_bytes() if Path(path).is_file() else None


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
    found = find_below(source, lambda path: path.name == PLAN or path.suffix in suffixes or has_sound_suffix(path))
    return [_state(path) for path in _inputs(map(os.fspath, found))]


def _inputs(found: Iterable[str]) -> list[str]:
    """Those of some paths that are in no folder of rows, nor below one."""
    paths = list(found)
    rows = tuple(path.removesuffix(PLAN) for path in paths if path.endswith(f"/{PLAN}"))
    return [path for path in paths if not path.startswith(rows)]


def _state(path: str) -> StoredFile:
    found = os.stat(path)
    return StoredFile(path, f"{found.st_size} {found.st_mtime_ns}")


def _stored(source: str, suffixes: tuple[str, ...]) -> list[StoredFile]:
    fs, place = filesystem(source)
    found = fs.find(place, detail=True)
    if not found and not fs.exists(place):
        raise FileNotFoundError("no such file or folder")
    alone = list(found) == [place]
    return [
        StoredFile(_address(fs, source, place, name), f"{found[name].get('size')} {_version(fs, name, found[name])}")
        for name in _inputs(sorted(found))
        if alone or name.endswith(suffixes) or has_sound_suffix(name)
    ]


def _address(fs: AbstractFileSystem, source: str, place: str, name: str) -> str:
    """The address of what is below a source, with the host and the user that the source names."""
    place = place.rstrip("/")
    if not place or not name.startswith(place):
        return fs.unstrip_protocol(name)
    return source.rstrip("/") + name[len(place) :]


def _version(fs: AbstractFileSystem, name: str, facts: Mapping[str, object]) -> object:
    """What changes whenever a file does: the store's tag, or the time when it was written."""
    return next((facts[tag] for tag in TAGS if facts.get(tag)), None) or fs.ukey(name)


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
