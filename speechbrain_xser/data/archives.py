"""Archives that stay open between clips, so that reading them in order is one open file and one long read."""

from __future__ import annotations

import os
from collections import OrderedDict

from speechbrain_xser.utils.files import file_state
from speechbrain_xser.utils.locks import ProcessLock

KEPT = 64  # open at once in a process; a system usually allows 1,024 files


class OpenFile:
    """A file that is open for reading, until nobody holds it any more.

    Threads and forked processes may share it: it is read by position, without a place where it stands.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.tar"
    >>> _ = path.write_bytes(b"..sound..")
    >>> OpenFile(path).read(2, 5)
    b'sound'
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self.state = file_state(os.fstat(self._descriptor))

    def read(self, offset: int, size: int) -> bytes:
        """Bytes from a place on; fewer at the end of the file."""
        return os.pread(self._descriptor, size, offset)

    def __del__(self, close=os.close) -> None:  # at the end of the process, os has no functions any more
        if hasattr(self, "_descriptor"):
            close(self._descriptor)


class OpenArchives:
    """The archives that were read last; one that was replaced or has changed is opened again.

    Arguments
    ---------
    most : int
        Archives that stay open.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.tar"
    >>> _ = path.write_bytes(b"..sound..")
    >>> archives = OpenArchives()
    >>> archives.read(path, 2, 5), archives.read(path, 7, 9), archives.opens
    (b'sound', b'..', 1)
    """

    def __init__(self, most: int = KEPT) -> None:
        self.opens = 0  # so far
        self._most, self._files, self._lock = most, OrderedDict(), ProcessLock()

    def read(self, path: str | os.PathLike, offset: int, size: int) -> bytes:
        """Bytes of an archive from a place on, fewer at its end; an ``OSError`` if it cannot be opened or read."""
        if not hasattr(os, "pread"):  # Windows
            with open(path, "rb") as file:
                file.seek(offset)
                return file.read(size)
        return self._file(os.fspath(path)).read(offset, size)

    def _file(self, path: str) -> OpenFile:
        state = file_state(os.stat(path))
        with self._lock:
            if path not in self._files or self._files[path].state != state:
                self._files[path] = OpenFile(path)
                self.opens += 1
            self._files.move_to_end(path)
            while len(self._files) > self._most:
                self._files.popitem(last=False)
            return self._files[path]


ARCHIVES = OpenArchives()
