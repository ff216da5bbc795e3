"""A model folder holds regular files of its own and nothing else: no pipe, no device, no link elsewhere, no hole.

Opening a pipe waits for ever, a device never ends, a link publishes what it leads to, and a file of holes has any size
while it takes no room. So everything in a folder is looked at before the first file is opened.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from speechbrain_xser.errors import BackboneError, UnsafeModelError, XserError

MOST_FILES = 10_000
MOST_TEXT_BYTES = 1 << 26  # of a file without tensors; the largest, of a vocabulary of 262,000 tokens, has half of it
MOST_CONFIG_BYTES = 1 << 22  # of a configuration; that of a tokenizer with 6,000 added tokens has a quarter
WEIGHTS = (".safetensors", ".bin", ".h5", ".msgpack")  # large; all but the first two are never opened
BLOCK = 512  # bytes, in which a file's room is counted
LEAST_FILLED = 16  # weights do not compress to a 16th


def check_files(folder: str | Path) -> None:
    """Refuses a model folder that holds anything but regular files of its own, before one of them is opened.

    A link to a file elsewhere is refused, since a copy of the folder would expose that file. The hub's cache, whose
    files are links to the same repository's blobs, is allowed. Hidden folders are not looked at: nothing in them is
    ever read.

    Arguments
    ---------
    folder : str or Path
        A model folder.

    Raises
    ------
    UnsafeModelError
        Names the file.

    Example
    -------
    >>> folder, secret = getfixture("tmp_path") / "model", getfixture("tmp_path") / "secret"
    >>> folder.mkdir(), secret.touch(), (folder / "README.md").symlink_to(secret)
    (None, None, None)
    >>> check_files(folder)
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.UnsafeModelError: ...README.md: is a link that leaves the model folder, which is \
never followed
    """
    whole = Path(folder).resolve()
    roots = [whole, whole.parents[1] / "blobs"] if whole.parent.name == "snapshots" else [whole]
    for count, path in enumerate(_entries(folder)):
        if count == MOST_FILES:
            raise UnsafeModelError(f"{folder}: holds more than {MOST_FILES} files; a model folder holds a few")
        try:
            place = path.resolve(strict=True)
        except (OSError, RuntimeError) as error:
            raise UnsafeModelError(f"{path}: is a link to itself or to nothing, expected a file") from error
        if not any(place.is_relative_to(root) for root in roots):
            raise UnsafeModelError(f"{path}: is a link that leaves the model folder, which is never followed")
        if not place.is_dir():
            check_file(path)


def check_file(path: str | Path) -> None:
    """Refuses what is no regular file, a text of gigabytes, and weights that take no room on the disk.

    Arguments
    ---------
    path : str or Path
        A file of a model folder or of a backbone.

    Raises
    ------
    UnsafeModelError
        Names it.

    Example
    -------
    >>> check_file("/dev/null")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.UnsafeModelError: /dev/null: is no regular file; a model folder has safetensors, YAML and \
JSON only
    """
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise UnsafeModelError(f"{path}: is no regular file; a model folder has safetensors, YAML and JSON only")
    if not str(path).endswith(WEIGHTS):
        if found.st_size > MOST_TEXT_BYTES:
            raise UnsafeModelError(f"{path}: has {found.st_size} bytes; expected at most {MOST_TEXT_BYTES}")
        return
    filled = getattr(found, "st_blocks", 0) * BLOCK  # 0 where a file system does not count them
    if 0 < filled * LEAST_FILLED < found.st_size and found.st_size > MOST_TEXT_BYTES:
        raise UnsafeModelError(f"{path}: is sparse, {filled} of {found.st_size} bytes; download it again")


def check_size(path: Path) -> None:
    """Raises ValueError if a file of a few measured tensors is longer than a text."""
    if (found := path.stat().st_size) > MOST_TEXT_BYTES:
        raise ValueError(f"{found} bytes, more than {MOST_TEXT_BYTES}")


def read_object(path: Path, most: int = MOST_CONFIG_BYTES, kind: type[XserError] = BackboneError) -> dict:
    """Reads a JSON file of keys and values.

    Arguments
    ---------
    path : Path
        The file.
    most : int
        Bytes that it may have.
    kind : type of XserError
        The error to raise.

    Returns
    -------
    dict

    Raises
    ------
    XserError
        Of that kind, if the file is missing, too long or something else.

    Example
    -------
    >>> path = getfixture("tmp_path") / "config.json"
    >>> _ = path.write_text("[1]")
    >>> read_object(path)
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.BackboneError: ...config.json: expected keys and values, found list
    """
    try:
        if (found := path.stat().st_size) > most:
            raise kind(f"{path}: has {found} bytes; expected at most {most}")
        content = json.loads(path.read_text(encoding="utf-8"))
    except kind:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise kind(f"{path}: is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise kind(f"{path}: expected keys and values, found {type(content).__name__}")
    return content


def _entries(folder: str | Path) -> Iterator[Path]:
    """All files and folders below a folder, except what lies in hidden folders; links to folders are not entered."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in (*folders, *files))
