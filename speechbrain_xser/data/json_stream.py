"""Streams the entries of a JSON file of gigabytes: memory holds one entry at a time, not the file.

It passes over the file once, in the file's order; a second look-up needs a second pass.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import ijson

from speechbrain_xser.errors import ManifestError

T = TypeVar("T")


def stream_entries(path: str | Path) -> Iterator[tuple[str, Any]]:
    """Yields the keys and values of a JSON file that is one object, in the file's order.

    Arguments
    ---------
    path : str or Path
        The file.

    Yields
    ------
    tuple of str and any JSON value
        Key and value; a fraction is a float.

    Raises
    ------
    ManifestError
        If the file is missing, truncated, not JSON, or not one object. Complete entries are yielded first.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "labels.json"
    >>> _ = path.write_text('{"a": 1, "b": [0.5]}')
    >>> list(stream_entries(path))
    [('a', 1), ('b', [0.5])]
    """
    yield from _streamed(path, lambda file: ijson.kvitems(file, "", use_float=True))


def stream_items(path: str | Path, place: str) -> Iterator[Any]:
    """Yields the values at one place of a JSON file that is one object, in the file's order.

    Arguments
    ---------
    path : str or Path
        The file.
    place : str
        An ijson prefix: ``audios.item`` is every item of the list under the key ``audios``.

    Yields
    ------
    any JSON value
        A fraction is a float.

    Raises
    ------
    ManifestError
        As :func:`stream_entries`.

    Example
    -------
    >>> path = getfixture("tmp_path") / "corpus.json"
    >>> _ = path.write_text('{"name": "x", "audios": [{"aid": 1}, {"aid": 2}]}')
    >>> list(stream_items(path, "audios.item"))
    [{'aid': 1}, {'aid': 2}]
    """
    yield from _streamed(path, lambda file: ijson.items(file, place, use_float=True))


def _streamed(path: str | Path, parse: Callable[[BinaryIO], Iterator[T]]) -> Iterator[T]:
    """What the parser finds in the file; errors name the file."""
    path = Path(path)
    if not path.is_file():
        raise ManifestError(f"{path}: no such file; expected a JSON file with one object")
    with path.open("rb") as file:
        if file.read(64).removeprefix(BOM_UTF8).lstrip()[:1] != b"{":
            raise ManifestError(f"{path}: expected a JSON object that starts with '{{'; is it another file?")
        file.seek(0)
        if file.read(len(BOM_UTF8)) != BOM_UTF8:
            file.seek(0)
        try:
            yield from parse(file)
        except (ijson.JSONError, UnicodeDecodeError) as error:  # the latter of an escaped half of a surrogate pair
            reason = str(error).splitlines()[0]
            raise ManifestError(f"{path}: truncated or not JSON ({reason}); download the file again") from error
