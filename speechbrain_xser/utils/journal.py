"""Results by key on disk, so that a run continues after it was killed, lost power or ran out of disk space.

The file is an SQLite database with one table. Its write-ahead log makes each addition complete or absent, and an
addition is synced to the disk before it counts: 6 ms on the disk where it was measured, 20 with SQLite's older rollback
journal. The lock on the file is exclusive, so it needs no shared memory, which a network file system lacks, and a
second run is refused at once. Any other file is left as it is.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Protocol, TypeVar

from speechbrain_xser.errors import JournalError

APPLICATION = int.from_bytes(b"xser", "big")  # the database's application_id
FORMAT = 1  # the database's user_version, for the table below
TABLE = "CREATE TABLE {} (key TEXT PRIMARY KEY, found TEXT NOT NULL, checksum INTEGER NOT NULL) WITHOUT ROWID"
PAGE = 1000  # keys read at a time
REMEDIES = {
    "BUSY": "Another run is writing to {path}: wait until it ends, or choose another file.",
    "FULL": "{path}: the disk is full. What was saved is safe: free some space, and give the same command again to "
    "continue.",
    "CORRUPT": "{path} is damaged ({error}): restore a copy, or remove it; its contents are then computed again.",
    "READONLY": "{path} cannot be written ({error}): check the permissions of the file and of its folder.",
    "IOERR": "{path}: {error} ({code}). What was saved is safe: check permissions and free space of the disk, or "
    "use a local one.",
}
ALIKE = {"NOTADB": "CORRUPT", "CANTOPEN": "READONLY", "PERM": "READONLY", "LOCKED": "BUSY"}


class Kept(Protocol):
    """What a journal stores: it converts to plain values and back."""

    def as_dict(self) -> dict:
        """Plain values, for JSON."""
        ...

    @classmethod
    def from_dict(cls, values: dict) -> Kept:
        """Restores the value from what :meth:`as_dict` returns."""
        ...


Found = TypeVar("Found", bound=Kept)


class Journal(Mapping[str, Found]):
    """Results by key, stored on disk; memory does not grow with them, and threads may share it.

    Arguments
    ---------
    path : str or path-like
        An SQLite file, created if missing or empty.
    kind : type
        Type of the results, e.g. :class:`~speechbrain_xser.annotator.measures.Measures`; it names the table.

    Raises
    ------
    JournalError
        If the file is not a journal of this type, damaged, in use, or not writable; it stays as it is.

    Example
    -------
    >>> from speechbrain_xser.annotator.measures import Measures
    >>> path = getfixture("tmp_path") / "measures.sqlite"
    >>> with Journal(path, Measures) as journal:
    ...     journal.add("a", Measures(f0_hertz=200.0))
    >>> with Journal(path, Measures) as journal:
    ...     "a" in journal, journal["a"].f0_hertz, list(journal)
    (True, 200.0, ['a'])
    """

    def __init__(self, path: str | os.PathLike, kind: type[Found]):
        self.path, self._kind, self._table = Path(path), kind, f'"{kind.__name__}"'
        self._turn = threading.RLock()
        with self._told():
            self._refuse_foreign()
            self._database = sqlite3.connect(self.path, timeout=0, isolation_level=None, check_same_thread=False)
            try:
                self._open()
            except BaseException:
                self._database.close()
                raise

    def _refuse_foreign(self) -> None:
        """Inspects the file without lock and repair, which would change another program's database."""
        if not self.path.exists() or not self.path.stat().st_size:
            return
        try:
            with closing(sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
                found = database.execute("PRAGMA application_id").fetchone()[0]
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorname != "SQLITE_NOTADB":
                return  # opening it tells more, or repairs it from the log of a killed run
            found = error
        if found != APPLICATION:
            raise JournalError(
                f"{self.path} is not a journal of this program ({found}, expected {APPLICATION}): name another file, "
                "or move this one away. If an earlier version wrote it, its contents are computed again."
            )

    def _open(self) -> None:
        """Locks the file for this run, and creates its table or checks all of it."""
        run = self._database.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("PRAGMA synchronous = FULL")
        with self._transaction():
            names = [name for (name,) in run("SELECT name FROM sqlite_schema")]
            form = run("PRAGMA user_version").fetchone()[0] if names else FORMAT
            if not names:
                run(f"PRAGMA application_id = {APPLICATION}")
                run(f"PRAGMA user_version = {FORMAT}")
                run(TABLE.format(self._table))
        if form != FORMAT:
            raise JournalError(f"{self.path} has format {form}, expected {FORMAT}: name another file, or remove it.")
        if names and names != [self._kind.__name__]:
            raise JournalError(f"{self.path} keeps {', '.join(names)}, not {self._kind.__name__}: name another file.")
        run("PRAGMA journal_mode = WAL")
        if (fault := run("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise JournalError(REMEDIES["CORRUPT"].format(path=self.path, error=" ".join(fault.split())))

    def __len__(self) -> int:
        with self._told():
            return self._database.execute(f"SELECT count(*) FROM {self._table}").fetchone()[0]

    def __iter__(self) -> Iterator[str]:
        last, query = "", f"SELECT key FROM {self._table} WHERE key > ? ORDER BY key LIMIT {PAGE}"
        while True:  # page by page, so that a slow reader blocks nobody
            with self._told():
                keys = [key for (key,) in self._database.execute(query, (last,))]
            yield from keys
            if len(keys) < PAGE:
                return
            last = keys[-1]

    def __contains__(self, key: object) -> bool:
        with self._told():
            return self._database.execute(f"SELECT 1 FROM {self._table} WHERE key = ?", (key,)).fetchone() is not None

    def __getitem__(self, key: str) -> Found:
        with self._told():
            query = f"SELECT found, checksum FROM {self._table} WHERE key = ?"
            row = self._database.execute(query, (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        text, checksum = row
        if checksum != _checksum(key, text):
            error = f"the checksum of {key!r} does not match"
            raise JournalError(REMEDIES["CORRUPT"].format(path=self.path, error=error))
        return self._kind.from_dict(json.loads(text))

    def add(self, key: str, found: Found) -> None:
        """Stores a result under a key; it is safe on disk when this returns.

        Raises
        ------
        JournalError
            If the disk is full or fails; earlier results stay.
        """
        self.add_all([(key, found)])

    def add_all(self, pairs: Iterable[tuple[str, Found]]) -> None:
        """Stores several results, all or none of them; they are safe on disk when this returns.

        Arguments
        ---------
        pairs : iterable of (str, Found)
            Keys and results.

        Raises
        ------
        JournalError
            As for :meth:`add`.
        """
        texts = [(key, json.dumps(found.as_dict())) for key, found in pairs]
        rows = [(key, text, _checksum(key, text)) for key, text in texts]
        with self._told(), self._transaction():
            self._database.executemany(f"INSERT OR REPLACE INTO {self._table} VALUES (?, ?, ?)", rows)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Takes one thread's turn, and turns SQLite's errors into one line that says what to do."""
        try:
            with self._turn:
                yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorname", None)
            if code is None:  # a closed journal: the program is at fault, not the file
                raise
            name = code.split("_")[1]
            told = REMEDIES.get(ALIKE.get(name, name), REMEDIES["IOERR"])
            raise JournalError(told.format(path=self.path, error=error, code=code)) from error

    def __enter__(self) -> Journal[Found]:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._database.close()


def _checksum(key: str, text: str) -> int:
    return zlib.crc32(f"{key}\n{text}".encode())
