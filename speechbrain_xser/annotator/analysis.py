"""What every measurement starts from: the clip trimmed to its sound, with pitch, level and speech every 10 ms.

Everything here is relative to the clip's own loud frames. Padding with silence changes nothing (the frames start where
the sound starts), and a gain shifts the levels by its decibels and changes nothing else.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from speechbrain_xser.annotator.level import frame_decibels, speech_frames
from speechbrain_xser.annotator.pitch import SAMPLE_RATE, TRACKERS
from speechbrain_xser.data.arrays import clip_of
from speechbrain_xser.data.prosody import HOP_SECONDS
from speechbrain_xser.errors import SettingsError

TRIM_DECIBELS = 60.0  # quieter samples at either end, relative to the peak, are trimmed
SILENT_PEAK = 2**-15  # a peak below one 16-bit step is silence


class Heard(NamedTuple):
    """A clip without the silence at its ends; frame t of T is centred ``t * 10 ms`` after its first sample."""

    wav: Tensor  # [S] float32, 16 kHz, its mean at 0
    start_seconds: float  # where it starts in the untrimmed clip
    hertz: Tensor  # [T] float32, 0 where unvoiced and in pauses
    decibels: Tensor  # [T] float32, RMS of the frame re full scale
    speech: Tensor  # [T] bool, false in pauses of a quarter of a second and more


def hear(wav: Tensor, tracker: str = "correlation", sampling_rate: int | None = None) -> Heard:
    """Trims a clip and tracks its pitch and level.

    Arguments
    ---------
    wav : Tensor, array, or a pair of one and its rate
        Samples, [S], 16 kHz, full scale at 1; or as :func:`~speechbrain_xser.data.arrays.clip_of` takes them.
    tracker : str
        The pitch tracker: ``correlation``, or ``praat`` if parselmouth is installed.
    sampling_rate : int or None
        Samples per second; rates other than 16000 are resampled.

    Returns
    -------
    Heard
        At least one frame; a silent clip has neither speech nor pitch.

    Raises
    ------
    AudioError
        If the waveform is empty, not finite, or not a waveform.
    SettingsError
        If the tracker is unknown, or parselmouth is not installed.

    Example
    -------
    >>> tone = torch.sin(6.2832 * 200 * torch.arange(16000) / 16000)
    >>> padded = torch.nn.functional.pad(tone, (8123, 777))
    >>> torch.equal(hear(tone).hertz, hear(padded).hertz)
    True
    """
    if tracker not in TRACKERS:
        raise SettingsError(f"tracker {tracker!r}, expected one of {', '.join(TRACKERS)}.")
    wav = clip_of(wav, sampling_rate, SAMPLE_RATE)
    first, last = _sound(wav)
    wav = wav[first:last]
    wav = wav - wav.mean()  # some recordings have an offset as large as their speech
    decibels = frame_decibels(wav)
    speech = speech_frames(decibels)
    if wav.abs().max() < SILENT_PEAK:
        return Heard(wav, 0.0, torch.zeros_like(decibels), decibels, torch.zeros_like(speech))
    return Heard(wav, first / SAMPLE_RATE, TRACKERS[tracker](wav) * speech, decibels, speech)


def _sound(wav: Tensor) -> tuple[int, int]:
    """Index of the first sample of the sound, and of the one after its last; the whole clip if it is silent."""
    loud = (wav.abs() > wav.abs().max() * 10 ** (-TRIM_DECIBELS / 20)).nonzero()
    return (int(loud[0]), int(loud[-1]) + 1) if len(loud) else (0, len(wav))


__all__ = ["HOP_SECONDS", "Heard", "hear"]
