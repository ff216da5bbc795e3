"""The record of one utterance: what is said, how it is said, and with which emotion.

The vocabularies are SpeechCraft's (the paper's ref. [37]); ``None`` means unknown, never a default.
"""

from __future__ import annotations

from typing import NamedTuple

EMOTIONS = ("neutral", "happy", "sad", "angry", "surprised", "fearful", "disgusted")
GENDERS = ("male", "female")
AGES = ("child", "teenager", "youth adult", "middle-aged", "elderly")
LEVELS = ("low", "normal", "high")  # of pitch and of volume
SPEEDS = ("slow", "normal", "fast")
INTONATIONS = ("flat", "normal", "lively")

VOCABULARIES = {
    "gender": GENDERS,
    "age": AGES,
    "pitch": LEVELS,
    "volume": LEVELS,
    "speed": SPEEDS,
    "intonation": INTONATIONS,
}


class Descriptors(NamedTuple):
    """How an utterance is spoken; a field is ``None`` if it is unknown.

    Example
    -------
    >>> Descriptors(gender="male", pitch="low").pitch
    'low'
    """

    gender: str | None = None  # one of GENDERS
    age: str | None = None  # one of AGES
    pitch: str | None = None  # one of LEVELS, relative to the gender
    volume: str | None = None  # one of LEVELS
    speed: str | None = None  # one of SPEEDS
    intonation: str | None = None  # one of INTONATIONS
    emphasis: tuple[str, ...] | None = None  # emphasised words, in order
    tone: str | None = None  # free text, e.g. "calm"
    topic: str | None = None  # free text, e.g. "politics"


class Record(NamedTuple):
    """Transcript, descriptors and emotion of one utterance.

    Example
    -------
    >>> Record(transcript="hello", emotion="happy").descriptors.gender is None
    True
    """

    transcript: str | None = None  # free text
    descriptors: Descriptors = Descriptors()
    emotion: str | None = None  # one of EMOTIONS
