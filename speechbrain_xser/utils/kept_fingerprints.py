"""Fingerprints of large backbones, kept in the user's cache: 17 GB are not read again whenever a model is loaded.

A fingerprint is kept with the number, size and times of every file that it counts, and made again when one of them
changes. What is torn, cannot be read or cannot be written is as if it were not there. Whoever can write to the cache
can give a wrong fingerprint, so a cache that others share must be one that only trusted users write to.
"""

from __future__ import annotations

import hashlib
import json
import time
from contextlib import suppress
from pathlib import Path

from speechbrain_xser.utils.files import file_state, written_beside
from speechbrain_xser.utils.sources import counted_files, fingerprint, is_gguf
from speechbrain_xser.utils.user_cache import user_cache

FOLDER = "fingerprints"
FORMAT = 1  # of a kept fingerprint, and of what it counts
LEAST_BYTES = 1 << 26  # of a backbone; smaller ones are read in no time
SETTLED_SECONDS = 3.0  # a file that changed this recently may change again without another time


def kept_fingerprint(backbone: str | Path) -> str:
    """The fingerprint of a backbone's folder or GGUF file, read again only if a file has changed.

    Example
    -------
    >>> from speechbrain_xser.testing import tiny_encoder_folder
    >>> folder = tiny_encoder_folder(getfixture("tmp_path"))
    >>> kept_fingerprint(folder) == fingerprint(folder)
    True
    """
    place = _place(Path(backbone))
    before = _states(place)
    if sum(size for _, size, *_ in before) < LEAST_BYTES:
        return fingerprint(backbone)
    path = user_cache() / FOLDER / f"{hashlib.sha256(str(place).encode()).hexdigest()[:32]}.json"
    if (kept := _kept(path, before)) is not None:
        return kept
    found = fingerprint(backbone)
    if before == _states(place) and time.time_ns() - max(changed for *_, changed in before) > SETTLED_SECONDS * 1e9:
        _keep(path, {"format": FORMAT, "path": str(place), "files": before, "fingerprint": found})
    return found


def _place(path: Path) -> Path:
    """A folder's own place; a file keeps its name, which counts, since a link may lead to another name."""
    return path.parent.resolve() / path.name if is_gguf(path) else path.resolve()


def _states(place: Path) -> list[list]:
    """Name, size, number, and times of writing and of any change of each file, in nanoseconds."""
    return [[path.name, *file_state(path.stat())] for path in counted_files(place)]


def _kept(path: Path, states: list[list]) -> str | None:
    """The fingerprint of files in these states, if it is kept."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        found, same = kept["fingerprint"], (kept["format"], kept["files"]) == (FORMAT, states)
        if same and len(found) == 64 and set(found) <= set("0123456789abcdef"):
            return found
    return None


def _keep(path: Path, kept: dict) -> None:
    """Moves a whole file into place, so that processes do not meet each other's halves."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_beside(path) as file:
            json.dump(kept, file)
