"""A transcript as eSpeak NG reads it: the reference for a real speaker's timing.

The reading is neutral, its words and phonemes are known to the millisecond, and eSpeak has about a hundred languages.
Texts recur in corpora, so the latest readings are cached.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from speechbrain_xser.annotator.language import voice_of
from speechbrain_xser.data.synthetic.espeak import Espeak, Phone, Speaking
from speechbrain_xser.errors import SettingsError

RATE = 200  # words per minute; people read at 150 to 200
HIGH_VARIANT = "+f1"  # appended to a voice for a high-pitched speaker; it has no breath noise, which would be random
PAUSES = ("_:", "_", "")  # eSpeak's names for silence between clauses


class Expected(NamedTuple):
    """What the reading says about one word of the transcript."""

    start_seconds: float
    seconds: float  # without pauses; 0 for what is not spoken, such as a dash
    stress: float  # lexical: 1 primary, 0.5 secondary, 0 none as in most function words


class Reading(NamedTuple):
    """A transcript, spoken."""

    wave: np.ndarray  # [S] float32
    sample_rate: int
    pauses: tuple[tuple[float, float], ...]  # seconds
    words: tuple[Expected, ...]  # one per white-space word of the transcript; empty if nothing can be spoken


@lru_cache(maxsize=32)
def read(transcript: str, language: str = "en", high: bool = False) -> Reading:
    """Speaks a transcript.

    Arguments
    ---------
    transcript : str
        Plain text.
    language : str
        ISO 639-1, such as "en" or "de", or eSpeak's own name of a voice.
    high : bool
        Whether to use a high voice.

    Returns
    -------
    Reading
        The sound and what is known about its words.

    Raises
    ------
    SettingsError
        If eSpeak has no such language.

    Example
    -------
    >>> words = read("the elephant").words
    >>> words[0].seconds < words[1].seconds, words[0].stress < words[1].stress
    (True, True)
    """
    espeak = Espeak()
    try:
        wave = espeak.say(transcript, Speaking(voice_of(language) + HIGH_VARIANT * high, rate=RATE), restart=True)
    except ValueError as error:
        message = f"Language {language!r}: eSpeak NG has no such voice, expected one such as 'en', 'de' or 'cmn'."
        raise SettingsError(f"{message} See `espeak-ng --voices`.") from error
    ends = [phone.seconds for phone in espeak.phones[1:]] + [len(wave) / espeak.sample_rate]
    spans = list(zip(espeak.phones, ends, strict=True)) if espeak.phones else []
    pauses = tuple((phone.seconds, end) for phone, end in spans if phone.name in PAUSES)
    return Reading(wave, espeak.sample_rate, pauses, _words(transcript.split(), espeak.words, spans))


def _words(texts: list[str], starts, spans: list[tuple[Phone, float]]) -> tuple[Expected, ...]:
    """eSpeak may speak several words as one entry of its dictionary ("of the"); they share it by their letters."""
    if not starts:
        return ()
    words = []
    first = [0] + [start.index for start in starts[1:]]
    for start, index, stop in zip(starts, first, first[1:] + [len(texts)], strict=True):
        following = next((later.seconds for later in starts if later.index == stop), np.inf)
        inside = [(phone, end) for phone, end in spans if start.seconds <= phone.seconds < following]
        words += _split(texts[index:stop], start.seconds, inside)
    return tuple(words)


def _split(texts: list[str], seconds: float, spans: list[tuple[Phone, float]]) -> list[Expected]:
    spoken = [(phone, end) for phone, end in spans if phone.name not in PAUSES]
    total = sum(end - phone.seconds for phone, end in spoken)
    stress = max((_stress(phone.name) for phone, _ in spoken), default=0.0)
    letters = np.array([sum(map(str.isalnum, text)) for text in texts], float)
    shares = letters / letters.sum() if letters.any() else np.full(len(texts), 1 / len(texts))
    before = shares.cumsum() - shares
    return [
        Expected(seconds + total * float(start), total * float(share), stress * bool(share))
        for start, share in zip(before, shares, strict=True)
    ]


def _stress(name: str) -> float:
    return {"'": 1.0, ",": 0.5}.get(name[:1], 0.0)
