"""Folders that are complete or absent, and can be found at any time while a new one replaces an old one.

A folder cannot be replaced in one rename, as a file can. The old one is moved aside under a fixed name, the new one
takes its place, and only then is the old one removed. A reader that finds no folder uses the one moved aside.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from speechbrain_xser.errors import CheckpointError
from speechbrain_xser.utils.files import HOST, is_running, sync
from speechbrain_xser.utils.folder_locks import is_locked, locked
from speechbrain_xser.utils.out_of_memory import naming_memory

WRITER = re.compile(r"\..+\.staging-(?P<host>[0-9a-f]{8})-(?P<process>\d+)")

STAYS = "What was there stays as it was; free some memory and try again."
ABANDONED_SECONDS = 3600.0  # since another host last wrote into a folder
EVERYBODY = 0o666  # what a new file may be, before the umask that its folder was made with

logger = logging.getLogger(__name__)


@contextmanager
def written_folder(folder: str | Path) -> Iterator[Path]:
    """Gives a temporary folder, which replaces ``folder`` when the block ends without an error.

    Temporary folders that killed writers left beside it are removed first, whatever they wrote.

    Raises
    ------
    CheckpointError
        If it cannot be written (names path and remedy); an existing folder stays as it was.
    OutOfMemoryError
        If memory runs out in the block; an existing folder stays as it was.

    Example
    -------
    >>> place = getfixture("tmp_path") / "trained"
    >>> with written_folder(place) as staging:
    ...     _ = (staging / "README.md").write_text("# Mine")
    ...     place.exists()
    False
    >>> [path.name for path in place.parent.iterdir()]
    ['trained']
    """
    folder = Path(folder).absolute()
    _remove_abandoned(folder.parent)
    staging = folder.with_name(f".{folder.name}.staging-{HOST}-{os.getpid()}")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        if not folder.exists() and _aside(folder).is_dir():
            os.replace(_aside(folder), folder)  # a writer was killed between its two renames
        staging.mkdir(parents=True)
        with locked(staging), naming_memory(f"{folder} was written", STAYS):
            yield staging
            _replace(staging, folder)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder}: cannot be written ({error}); free some space, or choose another place"
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def whole_folder(folder: str | Path) -> str | Path:
    """The folder, or the one moved aside if its writer was killed between its two renames."""
    path = Path(folder)
    if path.exists() or not path.name or not _aside(path).is_dir():
        return folder
    logger.warning("%s was being replaced when its writer was killed; the previous one is used.", folder)
    return _aside(path)


def seal(folder: Path) -> None:
    """Makes a folder ready to be moved into place: all of it is on the disk, and its files have the mode of new files.

    Libraries that write through a temporary file, such as safetensors, make theirs readable for one user alone.

    Example
    -------
    >>> folder = getfixture("tmp_path") / "staging"
    >>> folder.mkdir(mode=0o755)
    >>> (folder / "model.safetensors").touch(mode=0o600)
    >>> seal(folder)
    >>> oct((folder / "model.safetensors").stat().st_mode & 0o777)
    '0o644'
    """
    mode = stat.S_IMODE(folder.stat().st_mode) & EVERYBODY
    for path in [*folder.rglob("*"), folder]:
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) != mode:
            path.chmod(mode)
        sync(path)


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _remove_abandoned(parent: Path) -> None:
    """Removes temporary folders of killed writers, be it in another container; those of running writers stay."""
    for found in parent.glob(".*.staging-*"):
        writer = WRITER.fullmatch(found.name)
        if writer and not (is_running(writer["process"]) if writer["host"] == HOST else _in_use_elsewhere(found)):
            shutil.rmtree(found, ignore_errors=True)


def _in_use_elsewhere(folder: Path) -> bool:
    """Whether a writer of another host may be at work; where locks do not reach that far, its files are recent."""
    times = [path.stat().st_mtime for path in (folder, *folder.rglob("*")) if path.exists()]
    return is_locked(folder) or time.time() - max(times, default=0.0) < ABANDONED_SECONDS


def _replace(staging: Path, folder: Path) -> None:
    """Moves the staged folder into place."""
    seal(staging)
    old = _aside(folder)
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)  # left over from an earlier replacement
        os.replace(folder, old)
    try:
        os.replace(staging, folder)
    except OSError:
        if old.exists() and not folder.exists():
            os.replace(old, folder)
        raise
    sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)
