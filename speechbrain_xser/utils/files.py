"""Files that are whole or not there: written beside, synced to the disk, then moved into place."""

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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

UNFINISHED = ".part"
HOST = f"{zlib.crc32(platform.node().encode()):08x}"  # a process's number means something on its own machine only
WRITER = re.compile(rf"\.{HOST}-(?P<process>\d+)-\d+{re.escape(UNFINISHED)}")
UTF_8 = {"encoding": "utf-8", "errors": "backslashreplace", "newline": "\n"}
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_number = itertools.count()
_tidied: set[Path] = set()  # folders that this process has written to


@contextmanager
def moved_into_place(path: str | os.PathLike, synced: bool = True) -> Iterator[Path]:
    """Gives the name of a file beside, which takes the path's place at the end, and only if nothing went wrong.

    What killed writers left in the folder goes, where this process writes there for the first time.

    Arguments
    ---------
    path : str or path-like
        Where; its folder must be there. A link stays, and what it points to is replaced.
    synced : bool
        Whether the file survives a power cut once this ends; a few milliseconds. Without it the file can be empty
        then, which its readers must notice.

    Yields
    ------
    Path
        An empty file. It ends with the mode of the file that it replaces, else with that of any new file.

    Raises
    ------
    OSError
        If it cannot be written (no folder, no space); names the path. What was begun is removed.

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
        with suppress(OSError):  # moved away, or never made
            beside.unlink()


@contextmanager
def written_beside(path: str | os.PathLike) -> Iterator[TextIO]:
    """Opens a UTF-8 file for writing that takes the path's place at the end, and only if nothing went wrong.

    What UTF-8 cannot hold, a byte of a file's name for example, is written as an escape, which JSON reads back.

    Arguments
    ---------
    path : str or path-like
        Where; its folder must be there.

    Returns
    -------
    context manager of text file
        ``path`` keeps its old content until the block ends without an error.

    Raises
    ------
    OSError
        If it cannot be written (no folder, no space); what was begun is removed.

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
    """Waits until a file's content, or the names in a folder, are on the disk.

    Example
    -------
    >>> sync(getfixture("tmp_path"))
    """
    if path.is_dir():
        with suppress(OSError):  # Windows and some network file systems sync no folders
            _sync(path, os.O_RDONLY)
    else:
        _sync(path, os.O_RDWR if os.access(path, os.W_OK) else os.O_RDONLY)  # Windows syncs what it may write to


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_abandoned(folder: Path) -> None:
    """Removes what writers of this machine left in a folder that were killed; those that live are not disturbed.

    Arguments
    ---------
    folder : Path
        Looked through, but not the folders in it.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> dead, alive = (folder / f"a.txt.{HOST}-{process}-0.part" for process in (2**22 + 1, os.getpid()))
    >>> dead.touch(), alive.touch()
    (None, None)
    >>> remove_abandoned(folder)
    >>> dead.exists(), alive.exists()
    (False, True)
    """
    for found in folder.glob(f"*{UNFINISHED}"):
        if writer := WRITER.search(found.name):
            import psutil  # rarely needed

            if not psutil.pid_exists(int(writer["process"])):
                found.unlink(missing_ok=True)


def remove_unfinished(path: str | os.PathLike) -> None:
    """Removes what killed writers of a file left beside it; whoever calls this must be the only writer.

    Arguments
    ---------
    path : str or path-like
        The file that they were to become.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "a.txt.123.part").touch(), (folder / "ab.txt.123.part").touch()
    (None, None)
    >>> remove_unfinished(folder / "a.txt")
    >>> [found.name for found in folder.iterdir()]
    ['ab.txt.123.part']
    """
    path = Path(os.path.realpath(path))
    for found in path.parent.glob(f"{glob.escape(path.name)}.*{UNFINISHED}"):
        found.unlink()


def file_digest(path: str | os.PathLike) -> str:
    """The SHA-256 of a file's bytes, which tells a changed file from an unchanged one whatever its size and time say.

    Arguments
    ---------
    path : str or path-like
        Read piece by piece: about 0.1 ms for a clip of three seconds, a second for a gigabyte.

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
