"""One clip as every measurement hears it: trimmed to its sound, with pitch, level and speech every 10 ms.

Everything here is relative to the clip's own loud frames, so padding with silence changes nothing at all (the frames
start where the sound starts) and a gain moves the levels by its decibels and nothing else.
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

TRIM_DECIBELS = 60.0  # samples this far below the peak are no sound at either end
SILENT_PEAK = 2**-15  # less than one step of 16 bits is silence


class Heard(NamedTuple):
    """A clip without the silence at its ends; frame t of T is centred ``t * 10 ms`` after its first sample."""

    wav: Tensor  # [S] float32, 16 kHz, its mean at 0
    start_seconds: float  # where it begins in the clip
    hertz: Tensor  # [T] float32, 0 where unvoiced and in pauses
    decibels: Tensor  # [T] float32, RMS of the frame re full scale
    speech: Tensor  # [T] bool, false in pauses of a quarter of a second and more


def hear(wav: Tensor, tracker: str = "correlation", sampling_rate: int | None = None) -> Heard:
    """Trims a clip and follows its pitch and level.

    Arguments
    ---------
    wav : Tensor, array, or a pair of one and its rate
        Samples, [S], 16 kHz, full scale at 1; or as :func:`~speechbrain_xser.data.arrays.clip_of` takes them.
    tracker : str
        Who follows the pitch: ``correlation``, or ``praat`` where parselmouth is installed.
    sampling_rate : int or None
        Samples a second; others than 16000 are resampled.

    Returns
    -------
    Heard
        With at least one frame; a silent clip has neither speech nor pitch.

    Raises
    ------
    AudioError
        If the waveform is empty, not finite, or none at all.
    SettingsError
        If there is no such tracker, or parselmouth is not installed.

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
    """First sample of the sound, and the one after its last; all of a silent clip."""
    loud = (wav.abs() > wav.abs().max() * 10 ** (-TRIM_DECIBELS / 20)).nonzero()
    return (int(loud[0]), int(loud[-1]) + 1) if len(loud) else (0, len(wav))


__all__ = ["HOP_SECONDS", "Heard", "hear"]
