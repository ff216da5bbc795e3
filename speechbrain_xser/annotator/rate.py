"""Articulation rate: syllables a second of speech, pauses left out."""

from __future__ import annotations

from typing import NamedTuple

from speechbrain_xser.annotator.analysis import HOP_SECONDS, Heard
from speechbrain_xser.annotator.syllables import count_nuclei, count_syllables

SHORTEST_SECONDS = 0.2  # of speech: less has no rate


class Rate(NamedTuple):
    """How fast a clip is spoken; None where it cannot be told."""

    syllables_per_second: float | None  # of speech
    counted_from: str | None  # "transcript" or "signal"


def rate_of(heard: Heard, transcript: str | None = None, language: str = "en") -> Rate:
    """Counts syllables in the transcript, or in the signal where there is none, over the seconds of speech.

    Arguments
    ---------
    heard : Heard
        The clip.
    transcript : str or None
        What is said.
    language : str
        Of the transcript.

    Returns
    -------
    Rate
        Of nothing for less than 0.2 s of speech, or where no syllable is.

    Raises
    ------
    SettingsError
        If eSpeak NG has no such language.

    Example
    -------
    >>> import torch
    >>> from speechbrain_xser.annotator.analysis import hear
    >>> tone = hear(torch.sin(6.2832 * 200 * torch.arange(32000) / 16000))  # two seconds
    >>> rate_of(tone, "one two three four")
    Rate(syllables_per_second=2.0, counted_from='transcript')
    """
    seconds = speech_seconds(heard)
    count, source = count_syllables(transcript, language) if transcript else None, "transcript"
    if not count:  # no transcript, or none that can be read
        count, source = count_nuclei(heard), "signal"
    return Rate(round(count / seconds, 2), source) if seconds >= SHORTEST_SECONDS and count else Rate(None, None)


def speech_seconds(heard: Heard) -> float:
    """Seconds of a clip that are speech.

    Arguments
    ---------
    heard : Heard
        The clip.

    Returns
    -------
    float
        Without pauses of a quarter of a second and more.

    Example
    -------
    >>> import torch
    >>> from speechbrain_xser.annotator.analysis import hear
    >>> speech_seconds(hear(torch.zeros(16000)))
    0.0
    """
    return int(heard.speech.sum()) * HOP_SECONDS
