"""SpeechCraft's label string, ``age:Elderly<TAB>gender:male<TAB>...<TAB>transcription: He went``, as a record.

A word outside our vocabularies is never guessed at: its attribute becomes ``None`` and the word is returned, so that a
summary can count it; an unknown tag is returned whole. ``Adult`` is such a word: its pipeline uses it for 24 to 70
years, which includes "youth adult" and "middle-aged".
"""

from __future__ import annotations

import re
from typing import NamedTuple

from speechbrain_xser.answer.record import AGES, EMOTIONS, GENDERS, LEVELS, SPEEDS, Descriptors, Record
from speechbrain_xser.errors import LabelError

AGE_WORDS = {"youth": "youth adult", "young": "youth adult", "teenage": "teenager", "old": "elderly"}
WORDS = {"age": AGES, "gender": GENDERS, "pitch": LEVELS, "volume": LEVELS, "speed": SPEEDS, "emotion": EMOTIONS}
TEXTS = ("transcription", "emphasis", "tone", "topic")  # tags without a vocabulary
OTHER_NAMES = {"energy": "volume", "category": "topic", "transcript": "transcription"}
TAG = re.compile(r"(?:^|\t)\s*([A-Za-z][A-Za-z _-]*?)\s*:")


class Labels(NamedTuple):
    """The content of one label string."""

    record: Record
    unknown_words: tuple[str, ...]  # words that are in no vocabulary, as written, such as "age:Adult"


def read_labels(line: str) -> Labels:
    """Parses a label string, in any order of its tags and with any spaces around their words.

    Arguments
    ---------
    line : str
        Tags ``name:word`` separated by TABs. ``unknown`` and an empty word mean None; ``energy`` is read as
        ``volume``.

    Returns
    -------
    Labels
        The record, and the words that could not be used.

    Raises
    ------
    LabelError
        If the string has no tag, or a tag twice.

    Example
    -------
    >>> read_labels("gender: Female\\tage:old") == read_labels("age:old\\tgender:female")
    True
    """
    tags = _tags(line)
    texts = {name: tags.pop(name, "") for name in TEXTS}
    words = {name: _word(name, tags.get(name, "")) for name in WORDS}
    unread = [name for name, word in tags.items() if not _is_blank(word) and words.get(name) is None]
    emotion, free = words.pop("emotion"), {name: _text(texts[name]) for name in ("tone", "topic")}
    spoken = Descriptors(**words, **free, emphasis=_listed(texts["emphasis"]))
    record = Record(_text(texts["transcription"]), spoken, emotion)
    return Labels(record, tuple(f"{name}:{tags[name]}" for name in unread))


def is_labels(text: str) -> bool:
    """Whether a text is a label string rather than a sentence.

    Example
    -------
    >>> is_labels("age:Elderly\\tgender:male"), is_labels("An old man speaks: slowly.")
    (True, False)
    """
    names = {name.lower() for name in TAG.findall(text)}
    return bool(names & {*WORDS, *OTHER_NAMES, "transcription"})


def _tags(line: str) -> dict[str, str]:
    """The words by tag, as written except for surrounding spaces."""
    parts = TAG.split(line)
    names = [OTHER_NAMES.get(name.lower(), name.lower()) for name in parts[1::2]]
    if not is_labels(line) or len(set(names)) < len(names):
        found = "one tag twice" if len(set(names)) < len(names) else "no tag"
        raise LabelError(f"{line[:80]!r} has {found}: expected 'age:...<TAB>gender:...<TAB>transcription:...'")
    return dict(zip(names, (word.strip() for word in parts[2::2]), strict=True))


def _text(words: str) -> str | None:
    return None if _is_blank(words) else words


def _listed(words: str) -> tuple[str, ...] | None:
    """Emphasised words, separated by commas."""
    return tuple(filter(None, map(str.strip, words.split(",")))) or None if not _is_blank(words) else None


def _word(name: str, word: str) -> str | None:
    """The vocabulary's word, or None."""
    word = word.lower()
    word = AGE_WORDS.get(word, word) if name == "age" else word
    return word if word in WORDS[name] else None


def _is_blank(word: str) -> bool:
    """Whether the word itself means that nothing is known."""
    return word.lower() in ("", "unknown", "n/a")
