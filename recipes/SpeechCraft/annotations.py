"""SpeechCraft's annotation files, joined by utterance in an index on disk, so that memory stays constant.

The labels, the descriptions and the instructions are published as three JSON files, each one object keyed by utterance.
The corpora are read in a different order from these files, so the join looks entries up in SQLite, in a file beside the
manifests that exists while the preparation runs.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from SpeechCraft.labels import is_labels

from speechbrain_xser.data.json_stream import stream_entries
from speechbrain_xser.errors import ManifestError

ID = re.compile(r"(?:POD|YOU|AUD)\d{10}_S\d{7}|\d+_\d+_\d{6}_\d{6}")  # in GigaSpeech, in LibriTTS
KINDS = {  # the keys of an entry
    "labels": ("labels", "label"),
    "description": ("description", "llama-description"),
    "instruction": ("llama-instruction", "instruction"),
}
INDEX = "annotations.sqlite"
COLUMNS = "id TEXT PRIMARY KEY, labels TEXT, description TEXT, instruction TEXT"


class Annotation(NamedTuple):
    """SpeechCraft's annotation of one utterance; None if a file has no entry for it."""

    labels: str | None  # tags separated by TABs
    description: str | None  # a paragraph without the transcript
    instruction: str | None  # a paragraph with the transcript


class Annotations:
    """Annotations by utterance id; each can be taken once.

    Arguments
    ---------
    connection : sqlite3.Connection
        A connection to the table that :func:`indexed` makes.
    """

    def __init__(self, connection: sqlite3.Connection):
        self.connection = connection

    def pop(self, id: str) -> Annotation | None:
        """Takes the annotation of an utterance out of the index; None if there is none.

        Arguments
        ---------
        id : str
            GigaSpeech's segment id, or LibriTTS's file name.
        """
        found = self.connection.execute(
            "DELETE FROM annotation WHERE id = ? RETURNING labels, description, instruction", (id,)
        ).fetchall()
        return Annotation(*found[0]) if found else None

    def rest(self) -> Iterator[str]:
        """Ids that have not been taken."""
        for (id,) in self.connection.execute("SELECT id FROM annotation ORDER BY id"):
            yield id


@contextmanager
def indexed(files: Iterable[Path], folder: str | Path) -> Iterator[Annotations]:
    """Reads annotation files into an index in a folder, which exists until the block ends.

    Arguments
    ---------
    files : iterable of Path
        JSON files, each one object keyed by utterance. A value is a text, or an object with a text under ``labels``,
        ``description`` or ``llama-instruction``. The kind of a bare text follows from its form or the file's name.
    folder : str or Path
        Folder of the index, which is about as large as the files.

    Returns
    -------
    context manager of Annotations
        If two files annotate the same thing, the first counts.

    Raises
    ------
    ManifestError
        If a file is truncated, not JSON, or contains no known annotation.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "labels.json").write_text('{"GigaSpeech_POD0000000022_S0000007": {"labels": "age:Elderly"}}')
    >>> _ = (folder / "description.json").write_text('{"POD0000000022_S0000007": "An old man speaks."}')
    >>> with indexed(sorted(folder.glob("*.json")), folder) as annotations:
    ...     annotations.pop("POD0000000022_S0000007"), annotations.pop("POD0000000022_S0000007")
    (Annotation(labels='age:Elderly', description='An old man speaks.', instruction=None), None)
    """
    path = Path(folder, INDEX)
    path.unlink(missing_ok=True)  # left by a killed run
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as connection:
        for pragma in ("journal_mode = OFF", "synchronous = OFF"):  # the index is made again after a crash
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"CREATE TABLE annotation ({COLUMNS}) WITHOUT ROWID")
        try:
            connection.execute("BEGIN")
            for file in files:
                _add(connection, file)
            yield Annotations(connection)
        finally:
            path.unlink()


def _add(connection: sqlite3.Connection, file: Path) -> None:
    found = 0
    for key, entry in stream_entries(file):
        texts = _texts(entry, file)
        found += bool(texts)
        for kind, text in texts.items():
            connection.execute(
                f"INSERT INTO annotation (id, {kind}) VALUES (?, ?) ON CONFLICT (id) "
                f"DO UPDATE SET {kind} = coalesce({kind}, excluded.{kind})",
                (utterance_id(key), text),
            )
    if not found:
        raise ManifestError(f"{file}: no labels, description or instruction in it, expected a file of SpeechCraft's.")


def _texts(entry: object, file: Path) -> dict[str, str]:
    """The texts of one entry by their kind."""
    if isinstance(entry, str):
        return {_kind(entry, file): entry}
    if not isinstance(entry, dict):
        return {}
    given = {key.lower(): text for key, text in entry.items() if isinstance(text, str)}
    found = {kind: next((given[key] for key in keys if key in given), None) for kind, keys in KINDS.items()}
    return {kind: text for kind, text in found.items() if text}


def _kind(text: str, file: Path) -> str:
    if is_labels(text):
        return "labels"
    return "instruction" if "instruct" in file.name.lower() else "description"


def utterance_id(key: str) -> str:
    """The corpus's own id within a key of an annotation file.

    Example
    -------
    >>> utterance_id("GigaSpeech_POD0000000022_S0000007"), utterance_id("train/103_1241_000000_000001.wav")
    ('POD0000000022_S0000007', '103_1241_000000_000001')
    >>> utterance_id("LJSpeech_LJ010-0227")
    'LJSpeech_LJ010-0227'
    """
    found = ID.search(key)
    return found[0] if found else key
