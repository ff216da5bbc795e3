"""What is measured in a clip whatever its paragraph says: pitch, level, speed, pauses and intonation.

No model takes part, so these are the facts of an explanation that can be trusted most.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from speechbrain_xser.annotator.analysis import Heard, hear
from speechbrain_xser.annotator.cutoffs import Cutoffs, reference_cutoffs
from speechbrain_xser.annotator.describe import descriptors_of
from speechbrain_xser.annotator.measures import Measures, measures_of
from speechbrain_xser.annotator.pauses import pauses_of


class Measured(NamedTuple):
    """The measurements of one clip, and the word for each; None for what cannot be measured."""

    f0_hertz: float | None  # median of the voiced speech
    pitch: str | None  # for the gender that the signal gives; None if that is unclear
    level_decibels: float | None  # re full scale, over speech
    volume: str | None
    syllables_per_second: float | None  # of speech, without pauses
    rate_from: str | None  # what the syllables were counted in: "transcript" or "signal"
    speed: str | None
    pauses: int
    pause_seconds: float  # of all pauses
    f0_range_semitones: float | None  # 5th to 95th percentile
    intonation: str | None


def measured_clip(wav: Tensor, sampling_rate: int | None = None, cutoffs: Cutoffs | None = None) -> Measured:
    """Measures a clip; syllables are counted in the signal.

    Arguments
    ---------
    wav : Tensor, array, or a pair of one and its rate
        Samples, [S], at 16 kHz; or as :func:`~speechbrain_xser.data.arrays.clip_of` takes them.
    sampling_rate : int, optional
        Samples per second; rates other than 16000 are resampled.
    cutoffs : Cutoffs, optional
        Where low ends and high begins; by default the package's references.

    Returns
    -------
    Measured

    Raises
    ------
    AudioError
        If the waveform is empty, not finite, or not a waveform.

    Example
    -------
    >>> import torch
    >>> found = measured_clip(0.1 * torch.sin(6.2832 * 200 * torch.arange(16000) / 16000))
    >>> round(found.f0_hertz), round(found.level_decibels), found.pauses, found.intonation
    (200, -23, 0, 'flat')
    """
    heard = hear(wav, sampling_rate=sampling_rate)
    return measured_of(heard, measures_of(heard), cutoffs)


def measured_of(heard: Heard, measures: Measures, cutoffs: Cutoffs | None = None) -> Measured:
    """The same for a clip whose measures are known already."""
    words = descriptors_of(measures, cutoffs or reference_cutoffs())
    return Measured(
        measures.f0_hertz,
        words["pitch"],
        measures.level_decibels,
        words["volume"],
        measures.syllables_per_second,
        measures.rate_from,
        words["speed"],
        *pauses_of(heard),
        measures.f0_range_semitones,
        words["intonation"],
    )
