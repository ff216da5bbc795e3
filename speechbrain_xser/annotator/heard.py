"""One clip as every measurement hears it: trimmed to its sound, with pitch, level and speech every 10 ms.

Everything here is relative to the clip's own loud frames, so padding with silence changes nothing at all (the frames
start where the sound starts) and a gain moves the levels by its decibels and nothing else.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from speechbrain_xser.data.prosody import HOP_SECONDS, pitch_track

TRIM_DECIBELS = 60.0  # samples this far below the peak are no sound at either end
SPEECH_DECIBELS = 30.0  # a frame this far below the clip's loud frames is a pause


class Heard(NamedTuple):
    """A clip without the silence at its ends; T frames every 10 ms."""

    wav: Tensor  # [S] float32, 16 kHz
    start_seconds: float  # where it begins in the clip
    hertz: Tensor  # [T] float32, 0 where unvoiced
    decibels: Tensor  # [T] float32, RMS of the frame re full scale
    speech: Tensor  # [T] bool, false in pauses


def hear(wav: Tensor) -> Heard:
    """Trims a clip and follows its pitch and level.

    Arguments
    ---------
    wav : Tensor
        Samples, [S], 16 kHz, full scale at 1.

    Returns
    -------
    Heard
        With at least one frame; a silent clip has no speech.

    Raises
    ------
    AudioError
        If the waveform is empty, not one-dimensional, or not finite.

    Example
    -------
    >>> tone = torch.sin(6.2832 * 200 * torch.arange(16000) / 16000)
    >>> padded = torch.nn.functional.pad(tone, (8123, 777))
    >>> torch.equal(hear(tone).hertz, hear(padded).hertz)
    True
    """
    sound = (wav.abs() > wav.abs().max() * 10 ** (-TRIM_DECIBELS / 20)).nonzero().flatten()
    first, last = (int(sound[0]), int(sound[-1]) + 1) if len(sound) else (0, len(wav))
    wav = wav[first:last]
    track = pitch_track(wav)
    loud = track.decibels > track.decibels.max() - SPEECH_DECIBELS
    return Heard(wav, first / 16000, track.hertz, track.decibels, loud & (track.decibels > -100))


__all__ = ["HOP_SECONDS", "Heard", "hear"]
