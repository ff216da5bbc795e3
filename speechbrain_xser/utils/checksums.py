"""Checksums of weight files: a file whose bytes were lost or changed behind a whole header is not loaded in silence."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from speechbrain_xser.errors import CheckpointError
from speechbrain_xser.utils.files import file_digest


def checksums(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The SHA-256 of those of some files of a folder that exist, by name.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "model.safetensors").write_bytes(b"weights")
    >>> {name: digest[:8] for name, digest in checksums(folder, ["model.safetensors", "absent.safetensors"]).items()}
    {'model.safetensors': '9a129038'}
    """
    return {name: file_digest(folder / name) for name in names if (folder / name).is_file()}


def check_checksum(path: Path, expected: object) -> None:
    """Refuses a file whose bytes are not those that were written.

    Arguments
    ---------
    path : Path
        The file. It is read once; what loads it afterwards finds it in the system's cache.
    expected : str
        From :func:`checksums`.

    Raises
    ------
    CheckpointError
        Names the file and both checksums.
    OSError
        If it cannot be read.

    Example
    -------
    >>> path = getfixture("tmp_path") / "model.safetensors"
    >>> _ = path.write_bytes(bytes(7))
    >>> check_checksum(path, "9a129038cd21")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.CheckpointError: ...model.safetensors: damaged (SHA-256 ..., expected 9a129038cd21...)
    """
    found = file_digest(path)
    if found != expected:
        raise CheckpointError(f"{path}: damaged (SHA-256 {found[:12]}..., expected {str(expected)[:12]}...)")
