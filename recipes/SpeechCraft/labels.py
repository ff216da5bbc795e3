"""SpeechCraft's label string, ``age:Elderly<TAB>gender:male<TAB>...<TAB>transcription: He went``, as a record.

A word outside our vocabularies is never guessed at: its attribute becomes ``None`` and the word is handed back, so
that a summary can count it. ``Adult`` is such a word: the pipeline that writes it covers 24 to 70 years with it,
which is "youth adult" as well as "middle-aged".
"""

from __future__ import annotations

import re
from typing import NamedTuple

from speechbrain_xser.answer.record import AGES, EMOTIONS, GENDERS, LEVELS, SPEEDS, Descriptors, Record
from speechbrain_xser.errors import LabelError

AGE_WORDS = {"youth": "youth adult", "young": "youth adult", "teenage": "teenager", "old": "elderly"}
WORDS = {"age": AGES, "gender": GENDERS, "pitch": LEVELS, "volume": LEVELS, "speed": SPEEDS, "emotion": EMOTIONS}
TAG = re.compile(r"(?:^|\t)\s*(age|gender|pitch|volume|energy|speed|emotion|transcription)\s*:", re.IGNORECASE)


class Labels(NamedTuple):
    """What one label string says."""

    record: Record
    unknown_words: tuple[str, ...]  # "age:Adult": words that no vocabulary holds, as they were written


def read_labels(line: str) -> Labels:
    """Reads a label string, whatever the order of its tags and the spaces around their words.

    Arguments
    ---------
    line : str
        Tags ``name:word`` with TABs between them. ``unknown`` and an empty word stand for None; ``energy`` is read
        as ``volume``.

    Returns
    -------
    Labels
        The record, and the words that could not be used.

    Raises
    ------
    LabelError
        If the string holds no tag at all, or one tag twice.

    Example
    -------
    >>> read_labels("gender: Female\\tage:old") == read_labels("age:old\\tgender:female")
    True
    """
    tags = _tags(line)
    transcript = tags.pop("transcription", "") or None
    words = {name: _word(name, word) for name, word in tags.items()}
    unread = [name for name, word in words.items() if word is None and not _is_blank(tags[name])]
    emotion = words.pop("emotion", None)
    return Labels(Record(transcript, Descriptors(**words), emotion), tuple(f"{name}:{tags[name]}" for name in unread))


def _tags(line: str) -> dict[str, str]:
    """The words by their tag's name, as written but for the spaces around them."""
    parts = TAG.split(line)
    names = ["volume" if name.lower() == "energy" else name.lower() for name in parts[1::2]]
    if not names or len(set(names)) < len(names):
        found = "one tag twice" if names else "no tag"
        raise LabelError(f"{line[:80]!r} has {found}: expected 'age:...<TAB>gender:...<TAB>transcription:...'")
    return dict(zip(names, (word.strip() for word in parts[2::2]), strict=True))


def _word(name: str, word: str) -> str | None:
    """The vocabulary's word, or None."""
    word = word.lower()
    word = AGE_WORDS.get(word, word) if name == "age" else word
    return word if word in WORDS[name] else None


def _is_blank(word: str) -> bool:
    """Whether the word says itself that nothing is known."""
    return word.lower() in ("", "unknown")
