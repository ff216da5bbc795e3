"""The commit of a hub model that was named without one: looked up once, recorded, and the same ever after.

The record is a small JSON file in ``pins`` of ``savedir``, or of the user's cache. It is what makes a hub id safe to
load: what its owner publishes later is used when ``revision`` asks for it, and not before.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

from speechbrain_xser.errors import BackboneError, UnsafeModelError
from speechbrain_xser.utils.files import written_beside
from speechbrain_xser.utils.user_cache import user_cache
from speechbrain_xser.utils.user_file import json_value, opened_text

COMMIT = re.compile(r"[0-9a-f]{40}")
PINS = "pins"  # the folder of records
MOST_BYTES = 4096  # of a record
REMEDY = "Remove it to look the commit up again, or give revision, a full commit."


def pin_file(name: str, savedir: str | Path | None = None) -> Path:
    """Where the commit of a hub model is recorded.

    Example
    -------
    >>> pin_file("owner/name", "models").as_posix()
    'models/pins/owner--name.json'
    """
    return Path(user_cache() if savedir is None else savedir) / PINS / f"{name.replace('/', '--')}.json"


def pinned(name: str, savedir: str | Path | None, newest: Callable[[], str]) -> str:
    """The recorded commit of a hub model; where there is no record yet, the newest one is recorded and printed.

    Processes that ask at the same time wait for the first, and get its commit.

    Arguments
    ---------
    name : str
        Hub id.
    savedir : str or Path or None
        Where the record is; None for the user's cache.
    newest : callable
        Looks the newest commit up.

    Returns
    -------
    str
        40 hexadecimal digits.

    Raises
    ------
    UnsafeModelError
        If the record is damaged; names it and the remedy.
    BackboneError
        If it cannot be written.

    Example
    -------
    >>> place = getfixture("tmp_path")
    >>> pinned("owner/name", place, lambda: "a" * 40) == pinned("owner/name", place, lambda: "b" * 40) == "a" * 40
    True
    """
    from filelock import FileLock  # rarely needed

    path = pin_file(name, savedir)
    if path.exists():
        return _recorded(path, name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            return _recorded(path, name) if path.exists() else _first(path, name, newest)
    except OSError as error:
        raise BackboneError(
            f"{path}: the commit of {name} cannot be recorded ({error}). Give a savedir that can be written to, or "
            "revision, a full commit."
        ) from error


def pin(name: str, savedir: str | Path | None, commit: str) -> None:
    """Records the commit that a caller has chosen, if another one is recorded, or none.

    Example
    -------
    >>> place = getfixture("tmp_path")
    >>> pin("owner/name", place, "c" * 40)
    >>> pinned("owner/name", place, lambda: "d" * 40) == "c" * 40
    True
    """
    path = pin_file(name, savedir)
    try:
        if path.exists() and _recorded(path, name) == commit:
            return
    except UnsafeModelError:  # the caller says which commit it is
        pass
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, name, commit)
    except OSError:  # where nothing can be recorded, every call has to say it
        pass


def _first(path: Path, name: str, newest: Callable[[], str]) -> str:
    commit = newest()
    if not COMMIT.fullmatch(commit):
        raise BackboneError(f"{name}: its newest commit is {commit!r}; expected 40 hexadecimal digits. Give revision.")
    _write(path, name, commit)
    print(f"{name}: commit {commit} is used from now on; it is recorded in {path}.", file=sys.stderr)
    return commit


def _write(path: Path, name: str, commit: str) -> None:
    with written_beside(path) as file:
        file.write(json.dumps({"model": name, "commit": commit}) + "\n")


def _recorded(path: Path, name: str) -> str:
    with opened_text(path, UnsafeModelError, REMEDY) as file:
        text = file.read(MOST_BYTES).decode("utf-8", "replace")
    record = json_value(text, str(path), UnsafeModelError, REMEDY)
    found = record if isinstance(record, dict) else {}
    if found.get("model") != name or not isinstance(commit := found.get("commit"), str) or not COMMIT.fullmatch(commit):
        raise UnsafeModelError(f"{path}: does not record a commit of {name}. {REMEDY}")
    return commit
