"""What was found so far, a line a clip: a killed run goes on after its last whole line."""

from __future__ import annotations

import json
import os
from types import TracebackType
from typing import Generic, Protocol, TypeVar


class Kept(Protocol):
    """What a journal keeps: it can become plain values, and come back from them."""

    def as_dict(self) -> dict:
        """Plain values, for JSON."""
        ...

    @classmethod
    def from_dict(cls, values: dict) -> Kept:
        """What :meth:`as_dict` made plain."""
        ...


Found = TypeVar("Found", bound=Kept)


class Journal(Generic[Found]):
    """Findings by key, kept on disk; in memory there is one file position a clip.

    Arguments
    ---------
    path : str or path-like
        A JSONL file, made when missing; a half line at its end, which a kill leaves, is cut off.
    kind : type
        Of the findings, e.g. :class:`~speechbrain_xser.annotator.measures.Measures`.

    Example
    -------
    >>> from speechbrain_xser.annotator.measures import Measures
    >>> path = getfixture("tmp_path") / "measures.jsonl"
    >>> with Journal(path, Measures) as journal:
    ...     journal.add("a", Measures(f0_hertz=200.0))
    >>> with Journal(path, Measures) as journal:
    ...     "a" in journal, journal["a"].f0_hertz
    (True, 200.0)
    """

    def __init__(self, path: str | os.PathLike, kind: type[Found]):
        self._kind = kind
        self._file = open(path, "a+b")  # noqa: SIM115 (closed by __exit__)
        self._positions: dict[str, int] = {}
        self._index()

    def _index(self) -> None:
        self._file.seek(0)
        position = 0
        for line in self._file:
            try:
                key = json.loads(line)["key"]
            except (ValueError, KeyError):
                break
            if not line.endswith(b"\n"):
                break
            self._positions[key] = position
            position += len(line)
        self._file.truncate(position)

    def __contains__(self, key: str) -> bool:
        return key in self._positions

    def __getitem__(self, key: str) -> Found:
        self._file.seek(self._positions[key])
        return self._kind.from_dict(json.loads(self._file.readline())["found"])

    def add(self, key: str, found: Found) -> None:
        """Writes what was found of one clip; it is safe when this returns."""
        line = json.dumps({"key": key, "found": found.as_dict()}, ensure_ascii=False).encode() + b"\n"
        position = self._file.seek(0, os.SEEK_END)
        self._file.write(line)
        self._file.flush()
        self._positions[key] = position

    def __enter__(self) -> Journal[Found]:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
