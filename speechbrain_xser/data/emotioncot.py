"""EmotionCoT's labels (Wang et al., 2026, ICLR): one JSON object per line, identified by its authors' path.

Their folders are not yours, so labels and clips are matched by file name, and by the folders' names if a file name
occurs more than once. A match has to be the only best one from both sides; nothing is guessed.
"""

from __future__ import annotations

import re
import reprlib
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from speechbrain_xser.answer.record import LEVELS, SPEEDS
from speechbrain_xser.data.words import GENDER_WORDS, SPLIT_WORDS, age_of, plain_word
from speechbrain_xser.errors import ManifestError
from speechbrain_xser.utils.user_file import json_value, text_lines

NOTHING = ("", "insufficient voiced", "uncertain", "too short", "none", "null")  # the pipeline's words for "no label"
# A contour says nothing about the range that our word means, so rising, falling and the like stay null.
INTONATIONS = {"flat": "flat", "expressive": "lively"}
CONTOURS = ("rising", "falling", "rising falling", "falling rising", "level")
AGES = {"young adult": "youth adult", "aiddle aged": "middle-aged"}  # the second is spelt as in the data card
SPLIT = re.compile("|".join(sorted(SPLIT_WORDS, key=len, reverse=True)))


class Labels(NamedTuple):
    """EmotionCoT's labels for one clip, in our words; None for a missing one."""

    path: str  # the authors' own
    pitch: str | None = None
    volume: str | None = None
    speed: str | None = None
    intonation: str | None = None
    emphasis: tuple[str, ...] | None = None
    gender: str | None = None
    age: str | None = None
    unread: tuple[str, ...] = ()  # values that have no word here, such as "pitch_level:higher"


def read_labels(path: str | Path) -> Iterator[Labels]:
    """Reads EmotionCoT's labels from a file, line by line.

    Arguments
    ---------
    path : str or Path
        JSONL with ``audio_path`` and any of ``pitch_level``, ``energy_level``, ``speed_level``, ``stressed_words``,
        ``intonation``, ``gender``, ``age_level``; other fields are ignored.

    Yields
    ------
    Labels

    Raises
    ------
    ManifestError
        If a line is not a JSON object with an ``audio_path``, or repeats a path with other labels. It names the line.

    Example
    -------
    >>> path = getfixture("tmp_path") / "emotioncot.jsonl"
    >>> _ = path.write_text('{"audio_path": "/x/a.wav", "energy_level": "high", "age_level": "Young Adult"}')
    >>> [labels] = read_labels(path)
    >>> labels.volume, labels.age, labels.pitch
    ('high', 'youth adult', None)
    """
    seen: dict[str, int] = {}
    for number, line in text_lines(path, remedy="Download the file.", marked=True):
        labels = _labels(line, f"{path}, line {number}")
        if seen.setdefault(labels.path, hash(labels)) != hash(labels):
            raise ManifestError(f"{path}, line {number}: {labels.path} occurs twice with different labels. Drop one.")
        yield labels


def _labels(line: str, where: str) -> Labels:
    fields = json_value(line, where, remedy="Download the file again.")
    path = fields.get("audio_path") if isinstance(fields, dict) else None
    if not isinstance(path, str) or not PurePosixPath(path.replace("\\", "/")).name:
        raise ManifestError(f"{where}: no audio_path, expected a line of EmotionCoT.")
    words = {name: plain_word(fields.get(name)) for name in FIELDS}
    found = {name: _word(name, word) for name, word in words.items()}
    unread = [
        f"{name}:{words[name]}" for name, word in found.items() if word is None and not _is_silent(name, words[name])
    ]
    words_told = fields.get("stressed_words") or []
    if not isinstance(words_told, list):
        raise ManifestError(f"{where}: stressed_words is {reprlib.repr(words_told)}, expected a list of words.")
    stressed = tuple(str(word) for word in words_told if str(word).strip()) or None
    return Labels(
        fields["audio_path"],
        **{FIELDS[name]: word for name, word in found.items()},
        emphasis=stressed,
        unread=tuple(unread),
    )


FIELDS = {  # our name by theirs
    "pitch_level": "pitch",
    "energy_level": "volume",
    "speed_level": "speed",
    "intonation": "intonation",
    "gender": "gender",
    "age_level": "age",
}


def _word(name: str, word: str) -> str | None:
    """Our word for one of theirs."""
    if name == "gender":
        return GENDER_WORDS.get(word)
    if name == "age_level":
        return AGES.get(word) or (age_of(word) if word not in NOTHING else None)
    if name == "intonation":
        return INTONATIONS.get(word)
    return word if word in (SPEEDS if name == "speed_level" else LEVELS) else None


def _is_silent(name: str, word: str) -> bool:
    """Whether it is expected that a value has no word here."""
    return word in NOTHING or (name == "intonation" and word in CONTOURS)


class Matches(NamedTuple):
    """Which labels belong to which clips."""

    labels: dict[str, Labels]  # by the clip's path
    ambiguous: int  # clips that share labels with another clip, or could have several
    unmatched: int  # labels without a clip


def match(labels: Collection[Labels], clips: Collection[str]) -> Matches:
    """Matches labels and clips.

    Arguments
    ---------
    labels : collection of Labels
        All of them.
    clips : collection of str
        Paths of the clips, without repetition.

    Returns
    -------
    Matches

    Example
    -------
    >>> labels = [Labels("/MELD/train/dia0_utt0.wav"), Labels("C:\\\\\\\\IEMOCAP\\\\\\\\Ses01F_impro01_F000.wav")]
    >>> clips = ["audio/train/dia0_utt0.flac", "audio/dev/dia0_utt0.flac", "x/Ses01F_impro01_F000.wav"]
    >>> sorted(match(labels, clips).labels)
    ['audio/train/dia0_utt0.flac', 'x/Ses01F_impro01_F000.wav']
    """
    by_stem: dict[str, list[Labels]] = defaultdict(list)
    for entry in labels:
        by_stem[_parts(entry.path)[-1]].append(entry)
    places: dict[str, list[str]] = defaultdict(list)
    for clip in clips:
        if (stem := _parts(clip)[-1]) in by_stem:
            places[stem].append(clip)
    found: dict[str, Labels] = {}
    for stem, paths in places.items():
        found.update(_pairs(by_stem[stem], paths))
    asked = sum(map(len, places.values()))
    return Matches(found, asked - len(found), len(labels) - len(found))


def _pairs(labels: list[Labels], clips: list[str]) -> dict[str, Labels]:
    """The pairs for one file name that are the only best for both sides."""
    scores = {(entry, clip): _common(entry.path, clip) for entry in labels for clip in clips}
    best_clip = {entry: _only_best({clip: scores[entry, clip] for clip in clips}) for entry in labels}
    best_entry = {clip: _only_best({entry: scores[entry, clip] for entry in labels}) for clip in clips}
    return {clip: entry for clip, entry in best_entry.items() if entry is not None and best_clip[entry] == clip}


def _only_best(scores: dict):
    """The key with the highest score, if it is the only one."""
    highest = max(scores.values())
    best = [key for key, score in scores.items() if score == highest]
    return best[0] if len(best) == 1 else None


def _common(first: str, second: str) -> int:
    """How many folder names two paths share."""
    return len(set(_parts(first)[:-1]) & set(_parts(second)[:-1]))


def _parts(path: str) -> tuple[str, ...]:
    """Folders and file name without suffix, in lower case; ``dev_splits_complete`` becomes "valid"."""
    *folders, name = PurePosixPath(path.replace("\\", "/").lower()).with_suffix("").parts
    return (*(_part(folder) for folder in folders), name)


def _part(folder: str) -> str:
    found = SPLIT.search(folder)
    return SPLIT_WORDS[found[0]] if found else folder
