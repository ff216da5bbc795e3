"""The voices of the embedded corpus: eSpeak NG variants, split so that test voices occur nowhere else.

Pitch is set in Hz for each gender, because "low" is relative to the gender. eSpeak's pitch parameter is relative to the
voice, so each voice carries its own base: the F0 of a monotone at parameter 50, measured once. A step of 25 in the
parameter multiplies F0 by 4/3 (measured over all voices: 1.31 to 1.36).
"""

from __future__ import annotations

from math import log
from typing import NamedTuple


class Voice(NamedTuple):
    """One speaker."""

    name: str  # eSpeak's "language+variant"
    gender: str  # "male" or "female"
    base_hz: float  # F0 of a monotone at pitch parameter 50


TARGET_PITCH_HZ = {
    "male": {"low": 76.0, "normal": 107.0, "high": 151.0},
    "female": {"low": 145.0, "normal": 205.0, "high": 290.0},
}
RISE = 0.0022  # of the base, per point of eSpeak's pitch range: accents rise, so they raise the median F0
_LANGUAGES = ("en-us", "en", "en-us-nyc")  # "en" is British
_VARIANTS = {
    "train": {
        "male": "m1 83 m3 91 m4 80 m6 90 m8 74 Alex 101 Andy 88 Denis 88 Diogo 92 Gene 85 Lee 88 Mario 90 ed 107 "
        "john 90 marcelo 80 paul 76 robert 80 sandro 87 travis 88 m5 89 Michael 90 Mike 77 antonio 95 iven 86 pablo 96",
        "female": "f1 158 f4 160 f5 180 aunty 179 belinda 212 linda 213 Alicia 214 Annie 187 steph 173 steph2 173",
    },
    "valid": {"male": "m2 92", "female": "f2 168"},
    "test": {"male": "m7 90 quincy 75 victor 85", "female": "f3 178 Andrea 220"},
}


def voices(split: str) -> list[Voice]:
    """The voices of a split, in a fixed order, male voices first."""
    found = []
    for gender, listing in _VARIANTS[split].items():
        words = listing.split()
        for variant, base in zip(words[::2], words[1::2], strict=True):
            found += [Voice(f"{language}+{variant}", gender, float(base)) for language in _LANGUAGES]
    return found


def pitch_parameter(voice: Voice, pitch_hz: float, pitch_range: int = 0) -> int:
    """eSpeak's pitch parameter, 0..100, that gives a voice this median F0 at a pitch range, 0..100.

    Example
    -------
    >>> pitch_parameter(Voice("en-us+m1", "male", 100.0), 100.0)
    50
    >>> pitch_parameter(Voice("en-us+m1", "male", 90.0), 120.0)
    75
    >>> pitch_parameter(Voice("en-us+m1", "male", 90.0), 120.0, pitch_range=80) < 75
    True
    """
    monotone_hz = pitch_hz - RISE * pitch_range * voice.base_hz
    return max(0, min(100, round(50 + 25 * log(monotone_hz / voice.base_hz) / log(4 / 3))))
