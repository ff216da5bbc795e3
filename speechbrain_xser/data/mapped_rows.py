"""A large manifest's checked rows in a file that is mapped into memory, so that processes share them.

The first process that reads a manifest of more than 16 MiB checks it and writes ``train.jsonl.rows`` beside it; others
wait for that. From then on every rank and every worker maps the file, and parses a row when it is asked for.

The file has the rows one after another (fields between separators, see :mod:`.row_text`), then columns (where rows
start, seconds, sorted digests of ids, and the places that they stand for), then a header, its length and a mark.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import struct
from array import array
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from speechbrain_xser.answer.record import EMOTIONS, VOCABULARIES
from speechbrain_xser.data.manifest import Utterance, check_id, numbered_lines, parse_line, read_manifest
from speechbrain_xser.data.plain_line import plain_row
from speechbrain_xser.data.row_text import BETWEEN, Row, row_of, utterance_of
from speechbrain_xser.errors import ManifestError
from speechbrain_xser.utils.files import file_state, moved_into_place
from speechbrain_xser.utils.garbage import collection_paused

LEAST_BYTES = 1 << 24  # of a manifest; a smaller one is read in a second
SUFFIX = ".rows"
DATA_ROOT = "{data_root}"
RULES = blake2b(repr((1, Utterance._fields, EMOTIONS, VOCABULARIES)).encode(), digest_size=8).hexdigest()
MARK = b"XSERROWS"
END = struct.Struct("<Q8s")  # the header's length, and the mark
WORD = 8  # bytes of a number in a column


class Header(NamedTuple):
    """What the end of a file of rows says about it."""

    key: list  # of the manifest, see manifest_key
    rows: int
    row_bytes: int  # before the columns, padded to a multiple of 8
    rooted: int | None  # the first row whose path needs a data folder


class Stale(ValueError):
    """The file of rows is not whole, or is not of the manifest as it is."""


def manifest_key(manifest: str | os.PathLike) -> list:
    """What a file of rows is compared with: the manifest's size and times, its number on the disk, and our rules."""
    return [*file_state(os.stat(manifest)), RULES]


def rows_of(manifest: str | os.PathLike) -> Sequence[Utterance]:
    """A manifest's utterances, mapped into memory if it is large.

    Arguments
    ---------
    manifest : str or path-like
        A JSONL manifest.

    Returns
    -------
    sequence of Utterance
        A list for a small manifest, and where the file of rows can be neither read nor written.

    Raises
    ------
    ManifestError
        As :func:`~speechbrain_xser.data.manifest.read_manifest`.

    Example
    -------
    >>> from speechbrain_xser.data.manifest import write_manifest
    >>> path = getfixture("tmp_path") / "train.jsonl"
    >>> write_manifest(path, [Utterance("a", "a.wav"), Utterance("b", "b.wav", duration=2.0)])
    >>> rows_of(path) == read_manifest(path)
    True
    >>> getfixture("monkeypatch").setattr("speechbrain_xser.data.mapped_rows.LEAST_BYTES", 0)
    >>> rows = rows_of(path)
    >>> list(rows) == read_manifest(path), rows.places["b"], rows.seconds.tolist()
    (True, 1, [nan, 2.0])
    """
    try:
        large = os.path.isfile(manifest) and os.path.getsize(manifest) >= LEAST_BYTES
        return _mapped(Path(manifest)) if large else read_manifest(manifest)
    except (OSError, NotImplementedError):  # no space, a folder for reading only, a file system without locks
        return read_manifest(manifest)


def first_rooted(rows: Sequence[Utterance]) -> Utterance | None:
    """The first of the rows whose path needs a data folder; of mapped rows it is known.

    Example
    -------
    >>> first_rooted([Utterance("a", "a.wav"), Utterance("b", "{data_root}/b.wav")]).id
    'b'
    """
    if isinstance(rows, MappedRows):
        return None if rows.rooted is None else rows[rows.rooted]
    return next((row for row in rows if row.wav.startswith(DATA_ROOT)), None)


def _mapped(manifest: Path) -> MappedRows:
    """The rows of a manifest; the first process writes them."""
    from filelock import FileLock  # rarely needed

    path = manifest.with_name(manifest.name + SUFFIX)
    try:
        return MappedRows(path, manifest_key(manifest))
    except (Stale, FileNotFoundError):
        pass
    with FileLock(f"{path}.lock"):
        try:
            return MappedRows(path, manifest_key(manifest))  # another process has written them
        except (Stale, FileNotFoundError):
            key = manifest_key(manifest)
            write_rows(path, manifest, key)
            return MappedRows(path, key)


def write_rows(path: Path, manifest: Path, key: list) -> None:
    """Checks a manifest and writes its rows; the file is whole or as it was.

    Arguments
    ---------
    path : Path
        The file to write.
    manifest : Path
        Its lines are checked one by one; they are never in memory together.
    key : list
        Of the manifest, from before it was read.

    Raises
    ------
    ManifestError
        If the manifest is wrong.
    OSError
        If there is no space, or the folder cannot be written to.
    """
    with moved_into_place(path) as beside, open(beside, "wb") as file, collection_paused():
        starts, seconds, digests, rooted = array("q", [0]), array("d"), array("Q"), None
        for place, row in enumerate(_checked_rows(manifest)):
            starts.append(starts[-1] + file.write(row.text.encode()))
            seconds.append(math.nan if row.seconds is None else row.seconds)
            digests.append(id_digest(row.id))
            if rooted is None and row.wav.startswith(DATA_ROOT):
                rooted = place
        file.write(bytes(-starts[-1] % WORD))
        _write_end(file, starts, seconds, digests, Header(key, len(seconds), file.tell(), rooted))


def _checked_rows(manifest: Path) -> Iterator[Row]:
    seen: set[str] = set()
    for number, line in numbered_lines(manifest):
        row = plain_row(line) or row_of(parse_line(line, f"{manifest}, line {number}"))
        check_id(row.id, seen, manifest)
        yield row


def _write_end(file: BinaryIO, starts: array, seconds: array, unsorted: array, header: Header) -> None:
    digests = np.array(unsorted, dtype="<u8")
    places = np.argsort(digests, kind="stable")
    for column, kind in ((starts, "<i8"), (seconds, "<f8"), (digests[places], "<u8"), (places, "<i8")):
        file.write(np.asarray(column).astype(kind, copy=False).tobytes())
    told = json.dumps(header).encode()
    file.write(told + END.pack(len(told), MARK))


def id_digest(id: str) -> int:
    """A number of 64 bits that stands for an id."""
    return int.from_bytes(blake2b(id.encode(), digest_size=WORD).digest(), "little")


class MappedRows(Sequence[Utterance]):
    """The rows of a manifest in a mapped file, parsed when they are asked for.

    Arguments
    ---------
    path : Path
        A file of :func:`write_rows`.
    key : list
        Of the manifest.

    Raises
    ------
    Stale
        If it is not whole, or of another manifest.
    OSError
        If it cannot be read.
    """

    def __init__(self, path: Path, key: list) -> None:
        self.path, self.key = path, key
        with open(path, "rb") as file:
            header = _header(file)
            if header.key != key:
                raise Stale(f"{path} is of another manifest.")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.rooted, count, begin = header.rooted, header.rows, header.row_bytes
        self._starts = np.frombuffer(self._map, "<i8", count + 1, begin)
        self.seconds = np.frombuffer(self._map, "<f8", count, begin + WORD * (count + 1))  # NaN if not stated
        digests = np.frombuffer(self._map, "<u8", count, begin + WORD * (2 * count + 1))
        self.places = Places(self, digests, np.frombuffer(self._map, "<i8", count, begin + WORD * (3 * count + 1)))
        self.ids = Ids(self)

    def __len__(self) -> int:
        return len(self.seconds)

    def __getitem__(self, place: int) -> Utterance:
        place = range(len(self))[place]  # an IndexError beyond the end
        try:
            return utterance_of(self._text(place))
        except (ValueError, TypeError, IndexError) as error:
            raise self._damaged(place) from error

    def __iter__(self) -> Iterator[Utterance]:
        return map(self.__getitem__, range(len(self)))

    def id(self, place: int) -> str:
        """The id of a row, without its other fields."""
        text = self._text(place)
        return self[place].id if text.startswith(BETWEEN) else text.partition(BETWEEN)[0]

    def _text(self, place: int) -> str:
        return self._map[self._starts[place] : self._starts[place + 1]].decode()

    def _damaged(self, place: int) -> ManifestError:
        return ManifestError(f"{self.path}: row {place + 1} is damaged. Delete this file: it is made again.")

    def __reduce__(self) -> tuple:
        return MappedRows, (self.path, self.key)  # another process maps the same file


class Ids(Sequence[str]):
    """The ids of mapped rows, in their order."""

    def __init__(self, rows: MappedRows) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> str:
        return self._rows.id(range(len(self))[place])

    def __iter__(self) -> Iterator[str]:
        return map(self._rows.id, range(len(self)))

    def digests(self) -> np.ndarray:
        """The digest of each id, [N], without reading a row."""
        return self._rows.places.digests()


class Places(Mapping[str, int]):
    """Where the row of an id is, found in the sorted digests of all ids."""

    def __init__(self, rows: MappedRows, digests: np.ndarray, places: np.ndarray) -> None:
        self._rows, self._digests, self._places = rows, digests, places

    def __getitem__(self, id: str) -> int:
        digest = np.uint64(id_digest(id))
        nearest = int(self._digests.searchsorted(digest))
        while nearest < len(self._digests) and self._digests[nearest] == digest:
            if self._rows.id(place := int(self._places[nearest])) == id:
                return place
            nearest += 1
        raise KeyError(id)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows.ids)

    def __len__(self) -> int:
        return len(self._rows)

    def values(self) -> range:
        """All places in their order, without a search for each."""
        return range(len(self))

    def digests(self) -> np.ndarray:
        """The digest of the id at each place, [N]."""
        found = np.empty_like(self._digests)
        found[self._places] = self._digests
        return found


def _header(file: BinaryIO) -> Header:
    """The header at the end of a file of rows, if the file is whole."""
    try:
        size = file.seek(0, os.SEEK_END)
        file.seek(size - END.size)
        length, mark = END.unpack(file.read(END.size))
        file.seek(size - END.size - length)
        header = Header(*json.loads(file.read(length)))
        whole = header.row_bytes + WORD * (4 * header.rows + 1) + length + END.size == size
    except (OSError, OverflowError, ValueError, TypeError, struct.error) as error:
        raise Stale(f"{file.name} is not whole.") from error
    if mark != MARK or not whole:
        raise Stale(f"{file.name} is not whole.")
    return header
