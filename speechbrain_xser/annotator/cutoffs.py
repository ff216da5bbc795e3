"""Where "low" ends and "high" begins: percentiles of a corpus, as SpeechCraft defines them, or fixed references.

SpeechCraft's percentiles (its Clustering.py): pitch per gender, men 40 and 90, women 10 and 60; level and speed in
thirds. The references were computed by the same rule; ``reference.json`` says from which speech.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from speechbrain_xser.annotator.measures import Measures
from speechbrain_xser.errors import ManifestError

PITCH_PERCENTILES = {"male": (40, 90), "female": (10, 60)}
THIRDS = (100 / 3, 200 / 3)
FEWEST_CLIPS = 20  # percentiles of fewer clips say little, so the reference is used instead

Bounds = tuple[float, float]  # low up to and including the first, high above the second


class Cutoffs(NamedTuple):
    """The two bounds of each descriptor."""

    pitch_hertz: dict[str, Bounds]  # median F0, by gender
    level_decibels: Bounds  # re full scale, over speech frames
    syllables_per_second: Bounds  # of speech, without pauses
    source: str  # where they come from

    def as_dict(self) -> dict:
        """The bounds with their units in their names, for JSON."""
        return self._asdict()


@cache
def reference_cutoffs() -> Cutoffs:
    """The fixed cut-offs that come with the package, for a file that belongs to no corpus."""
    return cutoffs_from(json.loads(Path(__file__).with_name("reference.json").read_text(encoding="utf-8")))


def cutoffs_from(values: dict) -> Cutoffs:
    """Restores cut-offs from JSON; a missing value or a pair that does not rise raises a ``ManifestError``."""
    try:
        pitch = {gender: tuple(values["pitch_hertz"][gender]) for gender in PITCH_PERCENTILES}
        level, speed = tuple(values["level_decibels"]), tuple(values["syllables_per_second"])
        rising = all(low <= high for low, high in (*pitch.values(), level, speed))
    except (KeyError, TypeError, ValueError) as error:
        raise ManifestError(f"Cut-offs lack {error}; expected the fields {', '.join(Cutoffs._fields)}.") from error
    if not rising:
        raise ManifestError("Cut-offs must rise from low to high: check pitch_hertz, level_decibels and the speed.")
    return Cutoffs(pitch, level, speed, str(values.get("source", "")))


def corpus_cutoffs(clips: Iterable[tuple[Measures, str | None]], source: str) -> Cutoffs:
    """SpeechCraft's percentiles over the clips of a corpus; the reference where too few were measured.

    Arguments
    ---------
    clips : iterable of (Measures, str or None)
        The measures of each clip, and its speaker's gender if known.
    source : str
        Name of the corpus.

    Returns
    -------
    Cutoffs

    Example
    -------
    >>> clips = [(Measures(level_decibels=float(-level)), None) for level in range(1, 31)]
    >>> [round(bound, 1) for bound in corpus_cutoffs(clips, "mine").level_decibels]
    [-20.3, -10.7]
    """
    pitch, level, speed = {gender: array("d") for gender in PITCH_PERCENTILES}, array("d"), array("d")
    for measures, gender in clips:
        for known, value in (
            (pitch.get(gender), measures.f0_hertz),
            (level, measures.level_decibels),
            (speed, measures.syllables_per_second),
        ):
            if known is not None and value is not None:
                known.append(value)
    fixed = reference_cutoffs()
    return Cutoffs(
        {name: _bounds(pitch[name], shares, fixed.pitch_hertz[name]) for name, shares in PITCH_PERCENTILES.items()},
        _bounds(level, THIRDS, fixed.level_decibels),
        _bounds(speed, THIRDS, fixed.syllables_per_second),
        source,
    )


def _bounds(known: array, percentiles: Bounds, otherwise: Bounds) -> Bounds:
    if len(known) < FEWEST_CLIPS:
        return otherwise
    return tuple(float(bound) for bound in np.percentile(known, percentiles))
