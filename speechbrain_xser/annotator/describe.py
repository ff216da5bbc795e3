"""Turns measures into the words of a manifest, given the cut-offs for low and high."""

from __future__ import annotations

from collections.abc import Sequence

from speechbrain_xser.annotator.cutoffs import Bounds, Cutoffs
from speechbrain_xser.annotator.emphasis import emphasised
from speechbrain_xser.annotator.gender import gender_of
from speechbrain_xser.annotator.intonation import liveliness
from speechbrain_xser.annotator.measures import Measures
from speechbrain_xser.answer.record import LEVELS, SPEEDS


def descriptors_of(
    measures: Measures, cutoffs: Cutoffs, transcript: str | None = None, gender: str | None = None
) -> dict[str, str | tuple[str, ...] | None]:
    """The descriptor columns of one clip: gender, pitch, volume, speed, intonation and emphasis.

    An unknown gender is estimated. A value that cannot be known is None, and so is the pitch if the gender is unknown.
    """
    if gender is None and measures.gender_log_odds is not None:
        gender = gender_of(measures.gender_log_odds)
    pitch = cutoffs.pitch_hertz.get(gender)
    stressed = emphasised(transcript, measures.prominences) if transcript and measures.prominences else ()
    return {
        "gender": gender,
        "pitch": _word(measures.f0_hertz, pitch, LEVELS),
        "volume": _word(measures.level_decibels, cutoffs.level_decibels, LEVELS),
        "speed": _word(measures.syllables_per_second, cutoffs.syllables_per_second, SPEEDS),
        "intonation": liveliness(measures.f0_range_semitones),
        "emphasis": stressed or None,
    }


def _word(value: float | None, bounds: Bounds | None, words: Sequence[str]) -> str | None:
    if value is None or bounds is None:
        return None
    return words[(value > bounds[0]) + (value > bounds[1])]
