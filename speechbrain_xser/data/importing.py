"""Turns the rows of any table into utterances: labels in our words, unique ids, and nothing left out silently.

An emotion outside the vocabulary drops the clip and is named, because a clip with another emotion is not one without
emotion. Any other label that cannot be read leaves its field empty and is counted. An empty cell means unknown.
"""

from __future__ import annotations

import logging
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from speechbrain_xser.answer.record import EMOTIONS, VOCABULARIES
from speechbrain_xser.data.columns import cell
from speechbrain_xser.data.exclusions import Dropped
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.data.pipeline import DATA_ROOT
from speechbrain_xser.data.preparation import extend_summary
from speechbrain_xser.data.tables import Row
from speechbrain_xser.data.words import EMOTION_WORDS, GENDER_WORDS, SPLIT_WORDS, UNKNOWN, age_of, plain_word
from speechbrain_xser.errors import ManifestError

logger = logging.getLogger(__name__)

TEXTS = ("transcript", "tone", "topic", "description", "caption")
MAX_EXCESS_SECONDS = 0.01  # how far a segment may extend beyond its file: tables round their times


class Importer:
    """Turns rows into utterances and counts what it cannot read.

    Arguments
    ---------
    columns : dict of str to str
        Source by field, as :func:`~speechbrain_xser.data.columns.choose_columns` gives it.
    corpus : str
        Prefix of ids and speakers.
    data_folder : str, path-like or None
        Base of relative paths.
    table_folder : str, path-like or None
        Base of relative paths that do not exist in the data folder.
    emotions : dict of str to str or None
        Additional or changed words for emotions: one of ``EMOTIONS`` by word.

    Raises
    ------
    ManifestError
        If ``emotions`` contains an unknown emotion.

    Example
    -------
    >>> importer = Importer({"wav": "path", "emotion": "label", "gender": "sex"}, "mine", None)
    >>> rows = [{"path": "/a/1.wav", "label": "Joy", "sex": "F"}, {"path": "/a/2.wav", "label": "awe", "sex": "x"}]
    >>> happy, awe = importer.utterances(rows)
    >>> happy.id, happy.emotion, happy.gender, awe.reason
    ('mine-1', 'happy', 'female', "emotion 'awe' is outside the vocabulary")
    """

    def __init__(
        self,
        columns: dict[str, str],
        corpus: str,
        data_folder: str | os.PathLike | None,
        table_folder: str | os.PathLike | None = None,
        emotions: dict[str, str] | None = None,
    ):
        self.columns, self.corpus = columns, corpus
        self.data_folder, self.table_folder = data_folder, table_folder
        self.emotions = EMOTION_WORDS | {plain_word(word): emotion for word, emotion in (emotions or {}).items()}
        self.unread: dict[str, Counter] = {}  # words that could not be read, by field
        if wrong := sorted(set(self.emotions.values()) - set(EMOTIONS)):
            raise ManifestError(f"Emotion {wrong[0]!r}, expected one of {', '.join(EMOTIONS)}.")

    def utterances(self, rows: Iterable[Row]) -> Iterator[Utterance | Dropped]:
        """Yields the rows' utterances, in order.

        Arguments
        ---------
        rows : iterable of dict
            Cell by column.

        Returns
        -------
        iterable of Utterance or Dropped
            Without durations. A second row for the same clip (file, start and stop) is dropped; a repeated id gets a
            number.

        Raises
        ------
        ManifestError
            If a start or stop is not a number.
        """
        self.unread = {}
        ids: set[str] = set()
        clips: set[tuple] = set()
        for number, row in enumerate(rows, start=1):
            path = _text(cell(row, self.columns["wav"]))
            if path is None:
                yield Dropped(f"row {number}", "no path in the table", fault=True)
                continue
            clip = self._utterance(row, path, f"row {number}")
            word = self._cell(row, "emotion")
            if (clip.wav, clip.start, clip.stop) in clips:
                yield Dropped(clip.id, "a second row of the same clip", f"row {number}")
            elif clip.emotion is None and plain_word(word) not in UNKNOWN:
                yield Dropped(clip.id, f"emotion {plain_word(word)!r} is outside the vocabulary")
            else:
                yield clip._replace(id=_unique(clip.id, ids))
            clips.add((clip.wav, clip.start, clip.stop))

    def speaker(self, row: Row) -> str | None:
        """The speaker of a row, prefixed with the corpus's name."""
        name = self._cell(row, "speaker")
        return None if plain_word(name) in UNKNOWN else self._prefixed(_text(name))

    def split(self, row: Row) -> str | None:
        """The split of a row: train, valid, test, or None."""
        return self._label(row, "split", SPLIT_WORDS.get)

    def _utterance(self, row: Row, path: str, where: str) -> Utterance:
        start, stop = (_seconds(self._cell(row, field), field, where) for field in ("start", "stop"))
        return Utterance(
            id=self._prefixed(_text(self._cell(row, "id")) or self._name(path)),
            wav=self._wav(path),
            start=start,
            stop=stop,
            speaker=self.speaker(row),
            emotion=self.emotions.get(plain_word(self._cell(row, "emotion"))),
            gender=self._label(row, "gender", GENDER_WORDS.get),
            age=self._label(row, "age", age_of),
            split=self.split(row),
            **{field: _text(self._cell(row, field)) for field in TEXTS},
            **{
                field: self._label(row, field, {word: word for word in VOCABULARIES[field]}.get)
                for field in ("pitch", "volume", "speed", "intonation")
            },
        )

    def _cell(self, row: Row, field: str) -> object:
        return cell(row, self.columns[field]) if field in self.columns else None

    def _label(self, row: Row, field: str, read: Callable[[str], str | None]) -> str | None:
        word = plain_word(self._cell(row, field))
        label = read(word)
        if label is None and word not in UNKNOWN:
            self.unread.setdefault(field, Counter())[word] += 1
        return label

    def _wav(self, path: str) -> str:
        """The path as a manifest stores it: below the data folder if possible."""
        if self.data_folder is None:
            return path
        if os.path.isabs(path):
            root = os.path.abspath(self.data_folder) + os.sep
            return f"{DATA_ROOT}/{path.removeprefix(root)}" if path.startswith(root) else path
        beside = os.path.join(self.table_folder or self.data_folder, path)
        if os.path.exists(beside) and not os.path.exists(os.path.join(self.data_folder, path)):
            return str(Path(beside).resolve())
        return f"{DATA_ROOT}/{path.removeprefix('./')}"

    def _prefixed(self, name: str) -> str:
        return name if name.startswith(f"{self.corpus}-") else f"{self.corpus}-{name}"

    def _name(self, path: str) -> str:
        """An id made from a path: its folders below the data folder and its file name without suffix, joined."""
        below = Path(path)
        if below.is_absolute():
            root = Path(self.data_folder or "/").absolute()
            below = below.relative_to(root) if self.data_folder and below.is_relative_to(root) else Path(below.name)
        below = below.with_suffix("") if below.name else below
        return "-".join(part for part in below.parts if part not in (".", ".."))

    def account(self, save_folder: str | os.PathLike) -> None:
        """Adds the columns used and the labels not read to ``summary.json``, and warns about the latter.

        Arguments
        ---------
        save_folder : str or path-like
            Folder of the summary.
        """
        unread = {field: dict(words.most_common()) for field, words in self.unread.items()}
        extend_summary(save_folder, {"columns": self.columns, "unread": unread})
        for field, words in unread.items():
            named = ", ".join(f"{word!r} ({count})" for word, count in list(words.items())[:5])
            logger.warning("%s left empty for %d clips: %s.", field, sum(words.values()), named)


def fitted(clip: Utterance | Dropped) -> Utterance | Dropped:
    """Gives a segment its own length, or drops it if its file is too short.

    Arguments
    ---------
    clip : Utterance or Dropped
        From :func:`~speechbrain_xser.data.durations.probe`: ``duration`` is the length of the whole file.

    Returns
    -------
    Utterance or Dropped
        A whole file is returned as it is.

    Example
    -------
    >>> clip = Utterance("a", "a.wav", start=1.0, stop=2.5, duration=3.0)
    >>> fitted(clip).duration, fitted(clip._replace(duration=2.0)).reason
    (1.5, 'segment outside its file')
    """
    if isinstance(clip, Dropped) or (clip.start is None and clip.stop is None):
        return clip
    start, stop = clip.start or 0.0, clip.duration if clip.stop is None else clip.stop
    if not 0 <= start < stop <= clip.duration + MAX_EXCESS_SECONDS:
        found = f"{clip.wav}: {start:g} to {stop:g} s of {clip.duration:g} s"
        return Dropped(clip.id, "segment outside its file", found, fault=True)
    return clip._replace(duration=round(stop - start, 4))


def _unique(id: str, taken: set[str]) -> str:
    """The id, with the first free number appended if it is taken."""
    number, free = 1, id
    while free in taken:
        number += 1
        free = f"{id}-{number}"
    taken.add(free)
    return free


def _text(value: object) -> str | None:
    """A cell as text; None if it is empty."""
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return None if missing else str(value).strip() or None


def _seconds(value: object, field: str, where: str) -> float | None:
    if (text := _text(value)) is None:
        return None
    try:
        return float(text)
    except ValueError as error:
        raise ManifestError(f"{where}: {field} is {text!r}, expected seconds. Name another column.") from error
