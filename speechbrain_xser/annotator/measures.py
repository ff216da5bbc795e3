"""Everything that is measured in one clip, as plain numbers whose names carry their units."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from speechbrain_xser.annotator.analysis import Heard, hear
from speechbrain_xser.annotator.emphasis import prominences
from speechbrain_xser.annotator.gender import gender_log_odds
from speechbrain_xser.annotator.intonation import FEWEST_VOICED, contour, range_semitones
from speechbrain_xser.annotator.level import speech_decibels
from speechbrain_xser.annotator.rate import rate_of, speech_seconds


class Measures(NamedTuple):
    """The measures of a clip; None for what cannot be measured.

    Example
    -------
    >>> measures = Measures(speech_seconds=1.5, prominences=(0.5, 1.0))
    >>> Measures.from_dict(measures.as_dict()) == measures
    True
    """

    speech_seconds: float = 0.0  # without pauses of 0.25 s or more
    f0_hertz: float | None = None  # median over voiced speech
    f0_range_semitones: float | None = None  # 5th to 95th percentile
    contour: str | None = None  # one of intonation.CONTOURS
    level_decibels: float | None = None  # re full scale, over speech
    syllables_per_second: float | None = None  # of speech
    rate_from: str | None = None  # "transcript" or "signal"
    gender_log_odds: float | None = None  # natural, positive for female
    prominences: tuple[float, ...] | None = None  # one per word of the transcript

    def as_dict(self) -> dict:
        """The measures as plain values, for JSON; a tuple becomes a list."""
        prominent = self.prominences
        return {**self._asdict(), "prominences": None if prominent is None else list(prominent)}

    @classmethod
    def from_dict(cls, values: dict) -> Measures:
        """Restores the measures from what :meth:`as_dict` gives."""
        prominent = values.get("prominences")
        return cls(**{**values, "prominences": None if prominent is None else tuple(prominent)})


def measure(
    wav: Tensor,
    transcript: str | None = None,
    language: str = "en",
    tracker: str = "correlation",
    sampling_rate: int | None = None,
) -> Measures:
    """Measures one clip.

    Arguments
    ---------
    wav : Tensor, array, or a pair of one and its rate
        As for :func:`hear`.
    transcript : str or None
        What is said. Syllables are counted from it, and emphasis needs it.
    language : str
        Language of the transcript, as eSpeak NG names its voices.
    tracker, sampling_rate
        As for :func:`hear`.

    Returns
    -------
    Measures
        Empty for silence; without pitch for fewer than ten voiced frames.

    Raises
    ------
    AudioError
        If the waveform is empty, not finite, or not a waveform.
    SettingsError
        If the language or the tracker is unknown.

    Example
    -------
    >>> import torch
    >>> tone = measure(0.1 * torch.sin(6.2832 * 200 * torch.arange(16000) / 16000))
    >>> round(tone.f0_hertz), round(tone.level_decibels), tone.contour
    (200, -23, 'level')
    >>> measure(torch.zeros(16000)) == Measures()
    True
    """
    return measures_of(hear(wav, tracker, sampling_rate), transcript, language)


def measures_of(heard: Heard, transcript: str | None = None, language: str = "en") -> Measures:
    """Measures a clip whose pitch and level are known already; otherwise as :func:`measure`."""
    if not heard.speech.any():
        return Measures()
    voiced = heard.hertz[heard.hertz > 0]
    rate = rate_of(heard, transcript, language)
    return Measures(
        speech_seconds=round(speech_seconds(heard), 2),
        f0_hertz=voiced.median().item() if len(voiced) >= FEWEST_VOICED else None,
        f0_range_semitones=range_semitones(voiced),
        contour=contour(voiced),
        level_decibels=speech_decibels(heard.decibels, heard.speech),
        syllables_per_second=rate.syllables_per_second,
        rate_from=rate.counted_from,
        gender_log_odds=gender_log_odds(heard),
        prominences=prominences(heard, transcript, language) if transcript else None,
    )
