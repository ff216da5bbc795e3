"""Articulation rate: syllables per second of speech, without pauses."""

from __future__ import annotations

from typing import NamedTuple

from speechbrain_xser.annotator.analysis import HOP_SECONDS, Heard
from speechbrain_xser.annotator.syllables import count_nuclei, count_syllables

SHORTEST_SECONDS = 0.2  # less speech has no rate


class Rate(NamedTuple):
    """How fast a clip is spoken; None if that cannot be told."""

    syllables_per_second: float | None  # of speech
    counted_from: str | None  # "transcript" or "signal"


def rate_of(heard: Heard, transcript: str | None = None, language: str = "en") -> Rate:
    """Syllables of the transcript (of the signal, without one) per second of speech; nothing below 0.2 s of speech."""
    seconds = speech_seconds(heard)
    count, source = count_syllables(transcript, language) if transcript else None, "transcript"
    if not count:  # no transcript, or none that can be read
        count, source = count_nuclei(heard), "signal"
    return Rate(round(count / seconds, 2), source) if seconds >= SHORTEST_SECONDS and count else Rate(None, None)


def speech_seconds(heard: Heard) -> float:
    """Seconds of speech in a clip.

    Arguments
    ---------
    heard : Heard
        The clip.

    Returns
    -------
    float
        Without pauses of 0.25 s or more.

    Example
    -------
    >>> import torch
    >>> from speechbrain_xser.annotator.analysis import hear
    >>> speech_seconds(hear(torch.zeros(16000)))
    0.0
    """
    return int(heard.speech.sum()) * HOP_SECONDS
