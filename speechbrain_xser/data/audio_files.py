"""Finds the sound files of a folder and of the folders below it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from speechbrain_xser.data.formats import EXPECTED, has_sound_suffix
from speechbrain_xser.errors import ManifestError

logger = logging.getLogger(__name__)


def find_audio_below(folder: str | os.PathLike) -> list[Path]:
    """Finds the clips of a folder and of all folders below it, sorted by path; hidden files are ignored.

    A folder is searched once, whatever links to it, so a link to a folder above does not loop.

    Raises
    ------
    ManifestError
        If the folder or its clips are missing.
    """
    if not Path(folder).is_dir():
        raise ManifestError(f"No folder {folder}: pass the corpus's own folder as data_folder.")
    found = find_below(folder, has_sound_suffix)
    if not found:
        raise ManifestError(f"No clip in {folder} or below, expected {EXPECTED}: was the corpus unpacked?")
    return found


def find_below(folder: str | os.PathLike, wanted: Callable[[Path], bool]) -> list[Path]:
    """The files of a folder and of all folders below it that are wanted, sorted by path; as :func:`find_audio_below`.

    Example
    -------
    >>> find_below(getfixture("tmp_path"), has_sound_suffix)
    []
    """
    return sorted(path for path in _files(folder) if wanted(path) and _is_clip(path))


def _files(folder: str | os.PathLike) -> Iterator[Path]:
    """All files; real folders before linked ones, so that a folder is found under its own name."""
    searched, linked = set(), [os.fspath(folder)]
    while linked:
        for place, folders, names in os.walk(linked.pop(0)):
            if (own := os.path.realpath(place)) in searched:
                folders.clear()
                continue
            searched.add(own)
            linked += sorted(path for name in folders if os.path.islink(path := os.path.join(place, name)))
            yield from (Path(place, name) for name in names)


def _is_clip(path: Path) -> bool:
    """Whether a file can be read repeatedly; a pipe would wait for its writer."""
    if path.name.startswith("."):
        return False
    if path.exists() and not path.is_file():
        logger.warning("%s: a pipe or device in a folder is skipped; to read it, name it directly.", path)
        return False
    return True
