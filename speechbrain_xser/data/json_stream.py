"""Entries of a JSON file of gigabytes, one at a time: memory holds one entry, not the file.

The price is one pass in the file's own order; a second look-up needs a second pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ijson

from speechbrain_xser.errors import ManifestError


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
        If there is no such file, or if it is cut short, not JSON, or no object. What was whole before is yielded.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "labels.json"
    >>> _ = path.write_text('{"a": 1, "b": [0.5]}')
    >>> list(stream_entries(path))
    [('a', 1), ('b', [0.5])]
    """
    path = Path(path)
    if not path.is_file():
        raise ManifestError(f"{path}: no such file; expected a JSON file with one object")
    with path.open("rb") as file:
        if file.read(64).lstrip()[:1] != b"{":
            raise ManifestError(f"{path}: expected a JSON object that starts with '{{'; is it another file?")
        file.seek(0)
        try:
            yield from ijson.kvitems(file, "", use_float=True)
        except ijson.JSONError as error:
            reason = str(error).splitlines()[0]
            raise ManifestError(f"{path}: cut short or not JSON ({reason}); fetch the file again") from error
