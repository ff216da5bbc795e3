"""Text files that are whole or not there: written beside, then moved into place."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

UNFINISHED = ".part"


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
    beside = f"{os.fspath(path)}.{os.getpid()}{UNFINISHED}"
    try:
        with open(beside, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        if os.path.exists(beside):
            os.remove(beside)


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
    path = Path(path)
    for found in path.parent.glob(f"{glob.escape(path.name)}.*{UNFINISHED}"):
        found.unlink()
