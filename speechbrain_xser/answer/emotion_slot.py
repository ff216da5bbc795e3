"""Where an emotion's word stands in a paragraph, so that another class's word can be tried in its place."""

from __future__ import annotations

from typing import NamedTuple

from speechbrain_xser.answer import emotion_phrase, emotion_span

FALLBACK_OPENING = "A person speaks"  # where the answer is empty
FALLBACK_CLAUSE, FALLBACK_FORM = ", sounding", "adjective"  # where the answer names no emotion


class EmotionSlot(NamedTuple):
    """The place in a paragraph where any emotion's word can stand."""

    prefix: str  # text before it, without the space
    words: list[str]  # one for each class, with the space


def emotion_slot(paragraph: str, emotions: tuple[str, ...]) -> EmotionSlot:
    """Cuts a paragraph before the word that names its emotion; a fixed clause is appended where there is none.

    Arguments
    ---------
    paragraph : str
        Any text.
    emotions : tuple of str
        The model's classes.

    Returns
    -------
    EmotionSlot
        Prefix, and a word for each class in the form that the paragraph uses.

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
    """The paragraph with the fixed clause, its last quote closed."""
    text = paragraph.strip().rstrip(".,") or FALLBACK_OPENING
    return text + '"' * (text.count('"') % 2) + FALLBACK_CLAUSE + " "
