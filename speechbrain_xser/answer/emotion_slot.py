"""Finds where a paragraph names its emotion, so that the word for another class can be tried in its place."""

from __future__ import annotations

from typing import NamedTuple

from speechbrain_xser.answer import emotion_phrase, emotion_span

FALLBACK_OPENING = "A person speaks"  # for an empty answer
FALLBACK_CLAUSE, FALLBACK_FORM = ", sounding", "adjective"  # for an answer that names no emotion


class EmotionSlot(NamedTuple):
    """The place in a paragraph where the word for any emotion can stand."""

    prefix: str  # text before it, without the space
    words: list[str]  # one for each class, with the space


def emotion_slot(paragraph: str, emotions: tuple[str, ...]) -> EmotionSlot:
    """Splits a paragraph before the word for its emotion, with a word for each class; a fixed clause is added if none.

    Example
    -------
    >>> emotion_slot('A man speaks, "so be it", his anger evident.', ("angry", "sad"))
    EmotionSlot(prefix='A man speaks, "so be it", his', words=[' anger', ' sadness'])
    >>> emotion_slot("", ("angry", "sad"))
    EmotionSlot(prefix='A person speaks, sounding', words=[' angry', ' sad'])
    """
    span = emotion_span(paragraph)
    before, form = (paragraph[: span[0]], span[2]) if span else (_with_clause(paragraph), FALLBACK_FORM)
    prefix = before.rstrip()
    words = [emotion_phrase(emotion, form) for emotion in emotions]
    if span and paragraph[span[0]].isupper():
        words = [word[0].upper() + word[1:] for word in words]
    return EmotionSlot(prefix, [before[len(prefix) :] + word for word in words])


def _with_clause(paragraph: str) -> str:
    """The paragraph with the fixed clause appended and its last quote closed."""
    text = paragraph.strip().rstrip(".,") or FALLBACK_OPENING
    return text + '"' * (text.count('"') % 2) + FALLBACK_CLAUSE + " "
