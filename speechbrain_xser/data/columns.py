"""Which column of a user's table is which field of an utterance: as the user says, otherwise by the usual names.

A field comes from a column, or from a text with columns in it: ``wav=clips/{speaker}/{name}.flac``. Only fields whose
usual names mean one thing are guessed. Others (``pitch``, ``caption``, ...) are used only if the user names them,
because a column "pitch" is often in hertz.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from speechbrain_xser.data.tables import Row
from speechbrain_xser.errors import ManifestError

USUAL_NAMES = {
    "wav": ("wav", "audio", "path", "file", "filename", "filepath", "audiopath", "audiofile", "audiofilepath"),
    "id": ("id", "key", "uttid", "uid"),
    "transcript": ("transcript", "transcription", "text", "sentence", "utterance"),
    "emotion": ("emotion", "emo", "emotionlabel", "label"),
    "speaker": ("speaker", "speakerid", "spk", "spkid", "clientid"),
    "gender": ("gender", "sex"),
    "age": ("age",),
    "split": ("split", "subset", "partition"),
    "start": ("start",),
    "stop": ("stop", "end"),
}
NAMED_ONLY = ("pitch", "volume", "speed", "intonation", "tone", "topic", "description", "caption")
PLACE = re.compile(r"{([^{}]*)}")  # a column in a text
FIELDS = (*USUAL_NAMES, *NAMED_ONLY)


def parse_pairs(text: str | None) -> dict[str, str]:
    """Parses ``a=b,c=d``.

    Arguments
    ---------
    text : str or None
        The text as written on the command line.

    Returns
    -------
    dict of str to str
        Names and values without surrounding white space.

    Raises
    ------
    ManifestError
        If a pair has no equals sign.

    Example
    -------
    >>> parse_pairs("wav=path, emotion=my label")
    {'wav': 'path', 'emotion': 'my label'}
    """
    pairs = [pair.partition("=") for pair in (text or "").split(",") if pair.strip()]
    if wrong := [name for name, equals, value in pairs if not (equals and name.strip() and value.strip())]:
        raise ManifestError(f"{text!r}: {wrong[0]!r} is not a pair; expected name=value,name=value.")
    return {name.strip(): value.strip() for name, _, value in pairs}


def choose_columns(found: Iterable[str], given: dict[str, str] | None = None) -> dict[str, str]:
    """The column, or text of columns, for each field that a table has; ``given`` overrules the usual names.

    Example
    -------
    >>> choose_columns(["Path", "sentence", "client_id", "mood"], {"emotion": "mood"})
    {'wav': 'Path', 'transcript': 'sentence', 'speaker': 'client_id', 'emotion': 'mood'}
    """
    found, given = list(found), given or {}
    by_name = {re.sub(r"[^a-z0-9]", "", column.casefold()): column for column in reversed(found)}
    guessed = {field: [by_name[name] for name in names if name in by_name] for field, names in USUAL_NAMES.items()}
    chosen = {field: columns[0] for field, columns in guessed.items() if columns} | given
    has = f"The table has the columns {', '.join(map(repr, found))}"
    if unknown := sorted(set(given) - set(FIELDS)):
        raise ManifestError(f"There is no field {unknown[0]!r}; expected one of {', '.join(FIELDS)}. {has}.")
    for field, source in given.items():
        if missing := [column for column in used_columns(source, found) if column not in found]:
            raise ManifestError(f"{field}={source}: there is no column {missing[0]!r}. {has}.")
    if "wav" not in chosen:
        raise ManifestError(
            f"No column with the clips' paths. {has}; name one with wav=COLUMN, or combine columns into a path, as in "
            "wav={speaker}/{id}.wav."
        )
    return chosen


def used_columns(source: str, found: Iterable[str] = ()) -> list[str]:
    """The columns that a source uses.

    Example
    -------
    >>> used_columns("{speaker}/{id}.wav"), used_columns("path")
    (['speaker', 'id'], ['path'])
    """
    if source in found:
        return [source]
    return PLACE.findall(source) or [source]


def cell(row: Row, source: str) -> object:
    """A row's value for a source, a column or a text with columns in it; None if the row lacks the column.

    Example
    -------
    >>> cell({"speaker": "p1", "n": 7}, "{speaker}/{n}.wav"), cell({"n": 7}, "n"), cell({"n": 7}, "m")
    ('p1/7.wav', 7, None)
    """
    if source in row or "{" not in source:
        return row.get(source)
    return PLACE.sub(lambda match: str(row.get(match[1], "")), source)
