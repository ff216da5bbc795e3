"""The record of one utterance: what was said, how, and with what emotion.

The vocabularies are SpeechCraft's own (paper's ref. [37]); ``None`` stands for unknown, never for a default.
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
    """How an utterance was spoken; each field is ``None`` where it is unknown.

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
