"""Manifests: one JSON record per line and utterance, with the same fields for every corpus.

A manifest is checked when it is read, so that a wrong label cannot appear at hour 30. A text that is empty or only
white space is unknown (``None``); commas, newlines, quotes and prompt slots inside a text are just text.
"""

from __future__ import annotations

import json
import math
import os
import re
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from typing import NamedTuple

from speechbrain_xser.answer.labels import check_labels
from speechbrain_xser.answer.record import VOCABULARIES, Descriptors, Record
from speechbrain_xser.errors import ManifestError
from speechbrain_xser.utils.files import written_beside
from speechbrain_xser.utils.garbage import collection_paused
from speechbrain_xser.utils.user_file import json_value, text_lines


class Utterance(NamedTuple):
    """One line of a manifest; ``None`` if unknown.

    Example
    -------
    >>> Utterance("a", "a.wav", transcript="hello", emotion="happy", pitch="low").record().descriptors.pitch
    'low'
    """

    id: str
    wav: str  # path; may start with {data_root}
    start: float | None = None  # seconds
    stop: float | None = None  # seconds
    duration: float | None = None  # seconds
    speaker: str | None = None
    transcript: str | None = None
    emotion: str | None = None
    gender: str | None = None
    age: str | None = None
    pitch: str | None = None
    volume: str | None = None
    speed: str | None = None
    intonation: str | None = None
    emphasis: tuple[str, ...] | None = None
    tone: str | None = None
    topic: str | None = None
    description: str | None = None  # paragraph without transcript
    caption: str | None = None  # paragraph with transcript
    split: str | None = None
    recognized: str | None = None  # what a recogniser wrote, for a branch that reads it

    def record(self) -> Record:
        """What is said, how, and with which emotion.

        Returns
        -------
        Record
            Unknown fields are ``None``.
        """
        return Record(
            self.transcript, Descriptors(*(getattr(self, field) for field in Descriptors._fields)), self.emotion
        )


NUMBERS = ("start", "stop", "duration")
REQUIRED = ("id", "wav")
FIELDS = frozenset(Utterance._fields)
LABELS = ("emotion", *VOCABULARIES)  # fields side by side
HALF = re.compile("[\ud800-\udfff]")  # a surrogate, which only means a character beside another


def read_manifest(path: str | os.PathLike) -> list[Utterance]:
    """Reads and checks a JSONL manifest.

    Arguments
    ---------
    path : str or path-like
        UTF-8 without a byte order mark, one JSON object per line; empty lines are skipped.

    Returns
    -------
    list of Utterance
        In the file's order.

    Raises
    ------
    ManifestError
        If the file is missing, has a byte order mark, or is not UTF-8 or JSON; for an unknown or missing field, a wrong
        type, a label outside its vocabulary, a segment that ends before it starts, or a repeated id. It names file,
        line and utterance.

    Example
    -------
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "train.jsonl")
    >>> write_manifest(path, [Utterance("a", "a.wav", emphasis=("go",))])
    >>> read_manifest(path)[0].emphasis
    ('go',)
    """
    with collection_paused():
        return list(stream_manifest(path))


def stream_manifest(path: str | os.PathLike) -> Iterator[Utterance]:
    """Reads and checks a manifest line by line, for one too large for memory.

    Arguments
    ---------
    path : str or path-like
        As for :func:`read_manifest`.

    Yields
    ------
    Utterance
        In the file's order.

    Raises
    ------
    ManifestError
        As :func:`read_manifest`, when the invalid line is reached.

    Example
    -------
    >>> path = getfixture("tmp_path") / "train.jsonl"
    >>> write_manifest(path, [Utterance("a", "a.wav"), Utterance("b", "b.wav")])
    >>> next(stream_manifest(path)).id
    'a'
    """
    seen: set[str] = set()
    for read in readers(path):
        utterance = read()
        check_id(utterance.id, seen, path)
        yield utterance


def readers(path: str | os.PathLike) -> Iterator[Callable[[], Utterance]]:
    """Yields a function per line that returns its utterance or raises its error, to continue after a wrong line."""
    for number, line in numbered_lines(path):
        yield partial(parse_line, line, f"{path}, line {number}")


def numbered_lines(path: str | os.PathLike) -> Iterator[tuple[int, str]]:
    """The lines of a manifest that are not blank, with their numbers from 1."""
    return text_lines(path, remedy="Run the recipe's prepare script first.")


def write_manifest(path: str | os.PathLike, utterances: Iterable[Utterance]) -> None:
    """Writes a manifest, one utterance at a time; the file is complete or untouched.

    Arguments
    ---------
    path : str or path-like
        The file; its folder has to exist.
    utterances : iterable of Utterance
        In the file's order.

    Raises
    ------
    ManifestError
        As :func:`read_manifest`; an existing file stays as it was.

    Example
    -------
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "train.jsonl")
    >>> write_manifest(path, [Utterance("a", "a.wav", transcript=" ")])
    >>> read_manifest(path)[0].transcript is None
    True
    """
    with open_manifest(path) as write:
        for utterance in utterances:
            write(utterance)


@contextmanager
def open_manifest(path: str | os.PathLike) -> Iterator[Callable[[Utterance], None]]:
    """Gives a function that checks and writes one utterance; the file takes its place at the block's end."""
    seen: set[str] = set()
    with written_beside(path) as file:

        def write(utterance: Utterance) -> None:
            utterance = _checked(utterance, f"{path}, item {len(seen) + 1}")
            check_id(utterance.id, seen, path)
            file.write(json.dumps(utterance._asdict(), ensure_ascii=False) + "\n")

        yield write


def parse_line(line: str, where: str) -> Utterance:
    """Parses and checks one line of a manifest; an invalid one is a ``ManifestError`` that starts with ``where``.

    Example
    -------
    >>> parse_line('{"id": "a", "wav": "a.wav", "pitch": "low"}', "a.jsonl, line 1").pitch
    'low'
    """
    fields = json_value(line, where, remedy="Expected one object per line.")
    if not isinstance(fields, dict):
        raise ManifestError(f"{where}: {type(fields).__name__}, expected a JSON object of fields.")
    return checked_fields(fields, where)


def checked_fields(fields: dict, where: str) -> Utterance:
    """The utterance of these fields, checked as a line of a manifest.

    Example
    -------
    >>> checked_fields({"id": "a", "wav": "a.wav", "emphasis": ["go"]}, "row 1").emphasis
    ('go',)
    """
    in_order = tuple(fields) == Utterance._fields  # as they are written
    if not ((in_order or fields.keys() <= FIELDS) and fields.get("id") and fields.get("wav")):
        unknown = sorted(set(fields) - FIELDS)
        missing = [field for field in REQUIRED if not fields.get(field)]
        raise ManifestError(
            f"{where}: unknown fields {unknown}, missing fields {missing}. Expected {', '.join(Utterance._fields)}."
        )
    if isinstance(fields.get("emphasis"), list):
        fields["emphasis"] = tuple(fields["emphasis"])
    return _checked(Utterance._make(fields.values()) if in_order else Utterance(**fields), where)


_LABELS = slice(Utterance._fields.index(LABELS[0]), Utterance._fields.index(LABELS[-1]) + 1)
_known_types: dict[tuple[type, ...], Kinds] = {}  # of the fields of utterances that passed every check
_known_labels: dict[tuple[str | None, ...], tuple[str | None, ...]] = {}  # likewise; one object for equal labels


class Kinds(NamedTuple):
    """Where an utterance of some types has its texts and its numbers."""

    texts: Callable[[Utterance], tuple[str, ...]]  # at least id and wav
    numbers: tuple[int, ...]


def _checked(utterance: Utterance, where: str) -> Utterance:
    """Checks types, times and labels; empty texts become None.

    Rows resemble each other, so types and labels that have passed once are looked up: millions of rows are then read
    in a quarter of the time, and equal labels are one object.
    """
    types, labels = tuple(map(type, utterance)), utterance[_LABELS]
    try:
        if (kinds := _known_types.get(types)) and labels in _known_labels and _is_sound(utterance, kinds):
            return Utterance._make(utterance[: _LABELS.start] + _known_labels[labels] + utterance[_LABELS.stop :])
    except TypeError:  # a list in the place of a label
        pass
    utterance = _checked_slowly(utterance, where)
    types = tuple(map(type, utterance))
    _known_types.setdefault(types, Kinds(itemgetter(*_places(types, str)), _places(types, int, float)))
    _known_labels.setdefault(labels := utterance[_LABELS], labels)
    return utterance


def _places(types: tuple[type, ...], *kinds: type) -> tuple[int, ...]:
    return tuple(place for place, found in enumerate(types) if found in kinds)


def _is_sound(utterance: Utterance, kinds: Kinds) -> bool:
    """Whether the values of fields of the right types are sound: no blank text, no half a character, no odd time."""
    texts, words = kinds.texts(utterance), utterance.emphasis or ()
    if not all(texts) or any(map(str.isspace, texts)) or not all(0 <= utterance[at] < math.inf for at in kinds.numbers):
        return False
    if not all(map(str.isascii, texts + words)) and HALF.search("".join(texts + words)):
        return False
    return utterance.stop is None or utterance.stop > (utterance.start or 0.0)


def _checked_slowly(utterance: Utterance, where: str) -> Utterance:
    """The same for any utterance, with an error that names what is wrong."""
    where = f"{where}, utterance {utterance.id!r}"
    check_types(utterance, where)
    utterance = utterance._replace(
        **{field: None for field, found in utterance._asdict().items() if isinstance(found, str) and not found.strip()}
    )
    for field in REQUIRED:
        if getattr(utterance, field) is None:
            raise ManifestError(f"{where}: {field} is empty, expected a text.")
    if utterance.stop is not None and utterance.stop <= (utterance.start or 0.0):
        raise ManifestError(f"{where}: stop {utterance.stop:g} s is not after start {utterance.start or 0.0:g} s.")
    check_labels(utterance.record(), where)
    return utterance


def check_types(utterance: Utterance, where: str) -> None:
    """Refuses a field of another type than its own, or with half a surrogate pair.

    Example
    -------
    >>> check_types(Utterance("a", "a.wav", emphasis=3), "a.jsonl, line 1")
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.ManifestError: a.jsonl, line 1: emphasis is 3, expected a list of words.
    """
    for field, found in utterance._asdict().items():
        if found is not None and not _fits(field, found):
            raise ManifestError(f"{where}: {field} is {reprlib.repr(found)}, expected {_expected(field)}.")
    check_characters(utterance._asdict(), where)


def check_characters(fields: Mapping[str, object], where: str) -> None:
    """Refuses half a surrogate pair in a text or a tuple of texts: JSON can write it, UTF-8 cannot.

    Example
    -------
    >>> check_characters({"transcript": "so \\ud83d"}, "a.jsonl, line 1")
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.ManifestError: a.jsonl, line 1: transcript holds '\\ud83d', half of a surrogate pair, \
    expected whole characters. Write the character itself, or drop it.
    """
    for field, found in fields.items():
        for text in found if isinstance(found, tuple) else [found]:
            if isinstance(text, str) and (half := HALF.search(text)):
                raise ManifestError(
                    f"{where}: {field} holds {half[0]!r}, half of a surrogate pair, expected whole characters. Write "
                    "the character itself, or drop it."
                )


def _fits(field: str, found) -> bool:
    if field in NUMBERS:
        return isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found) and found >= 0
    if field == "emphasis":
        return isinstance(found, tuple) and all(isinstance(word, str) for word in found)
    return isinstance(found, str)


def _expected(field: str) -> str:
    return "seconds, at least 0" if field in NUMBERS else "a list of words" if field == "emphasis" else "a text"


def check_id(id: str, seen: set[str], path) -> None:
    """Refuses a repeated id, because everything keyed by id would mix the two."""
    if id in seen:
        raise ManifestError(f"{path}: id {id!r} occurs twice; expected unique ids. Rename or drop one.")
    seen.add(id)
