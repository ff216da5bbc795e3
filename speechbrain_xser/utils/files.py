"""Files that are complete or absent: written to a temporary file, synced to the disk, then moved into place."""

from __future__ import annotations

import errno
import glob
import hashlib
import itertools
import os
import platform
import re
import stat
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

UNFINISHED = ".part"
HOST = f"{zlib.crc32(platform.node().encode()):08x}"  # a process id is only meaningful on its own machine
WRITER = re.compile(rf"\.{HOST}-(?P<process>\d+)-\d+{re.escape(UNFINISHED)}")
UTF_8 = {"encoding": "utf-8", "errors": "backslashreplace", "newline": "\n"}
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_number = itertools.count()
_tidied: set[Path] = set()  # folders that this process has written to


@contextmanager
def moved_into_place(path: str | os.PathLike, synced: bool = True) -> Iterator[Path]:
    """Gives a temporary file, which replaces the path when the block ends without an error.

    The first time that this process writes to the folder, files that killed writers left there are removed.

    Arguments
    ---------
    path : str or path-like
        The file; its folder has to exist. A link stays, and its target is replaced.
    synced : bool
        Whether to sync the file to the disk, in a few milliseconds. Without that, a power cut can leave an empty file,
        which its readers have to notice.

    Yields
    ------
    Path
        An empty file. It gets the mode of the file that it replaces, or the mode of a new file.

    Raises
    ------
    OSError
        If it cannot be written (no folder, no space); it names the path. The temporary file is removed.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.bin"
    >>> with moved_into_place(path) as beside:
    ...     _ = beside.write_bytes(b"whole")
    ...     path.exists()
    False
    >>> [found.name for found in path.parent.iterdir()]
    ['a.bin']
    """
    path = Path(os.path.realpath(path))
    if path.parent not in _tidied:
        _tidied.add(path.parent)
        remove_abandoned(path.parent)
    beside = path.with_name(f"{path.name}.{HOST}-{os.getpid()}-{next(_number)}{UNFINISHED}")
    try:
        beside.touch()
        mode = stat.S_IMODE((path if path.exists() else beside).stat().st_mode)
        yield beside
        if stat.S_IMODE(beside.stat().st_mode) != mode:
            beside.chmod(mode)
        if synced:
            sync(beside)
        os.replace(beside, path)
        if synced:
            sync(path.parent)
    except OSError as error:
        if error.filename == os.fspath(beside) or (error.filename is None and error.errno in FULL):
            error.filename = os.fspath(path)
        raise
    finally:
        with suppress(OSError):  # moved away, or never created
            beside.unlink()


@contextmanager
def written_beside(path: str | os.PathLike) -> Iterator[TextIO]:
    """Opens a UTF-8 file for writing, which replaces the path when the block ends without an error.

    What UTF-8 cannot encode, such as a byte of a file name, is written as an escape, which JSON reads back.

    Arguments
    ---------
    path : str or path-like
        The file; its folder has to exist.

    Returns
    -------
    context manager of text file
        ``path`` keeps its old content until the block ends without an error.

    Raises
    ------
    OSError
        If it cannot be written (no folder, no space); the temporary file is removed.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.txt"
    >>> with written_beside(path) as file:
    ...     _ = file.write("whole")
    ...     path.exists()
    False
    >>> path.read_text()
    'whole'
    """
    with moved_into_place(path) as beside, open(beside, "w", **UTF_8) as file:
        yield file


def sync(path: Path) -> None:
    """Waits until a file's content, or the names in a folder, are on the disk."""
    if path.is_dir():
        with suppress(OSError):  # Windows and some network file systems cannot sync folders
            _sync(path, os.O_RDONLY)
    else:
        _sync(path, os.O_RDWR if os.access(path, os.W_OK) else os.O_RDONLY)  # Windows only syncs what it may write to


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_abandoned(folder: Path) -> None:
    """Removes files in a folder whose writer on this machine was killed; those of running writers stay."""
    for found in folder.glob(f"*{UNFINISHED}"):
        if (writer := WRITER.search(found.name)) and not is_running(writer["process"]):
            found.unlink(missing_ok=True)


def is_running(process: str) -> bool:
    """Whether there is a process of a number on this machine."""
    import psutil  # rarely needed

    return psutil.pid_exists(int(process))


def remove_unfinished(path: str | os.PathLike) -> None:
    """Removes what killed writers of a file left beside it; the caller has to be the only writer."""
    path = Path(os.path.realpath(path))
    for found in path.parent.glob(f"{glob.escape(path.name)}.*{UNFINISHED}"):
        found.unlink()


def file_state(status: os.stat_result) -> list[int]:
    """What changes whenever a file does: size, number on the disk, and times of writing and of any change, in ns.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.txt"
    >>> _ = path.write_text("one")
    >>> before = file_state(path.stat())
    >>> _ = path.write_text("three")
    >>> len(before), file_state(path.stat()) == before
    (4, False)
    """
    return [status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns]


def file_digest(path: str | os.PathLike) -> str:
    """The SHA-256 of a file's bytes, which detects a change even if size and time stay the same.

    Arguments
    ---------
    path : str or path-like
        The file, read in pieces: about 0.1 ms for a clip of three seconds, a second for a gigabyte.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    OSError
        If it cannot be read.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a"
    >>> _ = path.write_bytes(b"")
    >>> file_digest(path)[:8]
    'e3b0c442'
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_digest(paths: Iterable[Path]) -> str:
    """SHA-256 of the names and contents of some files, wherever their folders are.

    Example
    -------
    >>> one, other = (getfixture("tmp_path") / name for name in "ab")
    >>> one.write_text("x"), other.write_text("x")
    (1, 1)
    >>> files_digest([one]) == files_digest([one]), files_digest([one]) == files_digest([other])
    (True, False)
    """
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name} {file_digest(path)}\n".encode())
    return digest.hexdigest()
