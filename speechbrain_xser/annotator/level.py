"""Level in decibels relative to full scale, and which frames are speech.

Speech is decided relative to the clip's own loud frames and its own noise, never by a fixed level, so a gain shifts the
level by its decibels and changes nothing else. The level is that of the speech alone: pauses do not lower it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from speechbrain_xser.annotator.pitch import SAMPLE_RATE, centred_frames
from speechbrain_xser.data.prosody import HOP_SECONDS, WINDOW_SECONDS

FLOOR_DECIBELS = -200.0
SMOOTHED_FRAMES = 5  # power is averaged over 50 ms, so that a click is not the clip's loudest sound
FARTHEST_DECIBELS = 35.0  # a frame further below the loudest sound is not speech, however low the noise
NEAREST_DECIBELS = 18.0  # a frame closer to the loudest sound is speech, however high the noise
NOISE_QUANTILE = 0.05  # of the recorded frames: the noise between words
DIGITAL_SILENCE_DECIBELS = 60.0  # further below the loudest sound is inserted or gated silence
ABOVE_NOISE_DECIBELS = 6.0
MIN_PAUSE_SECONDS = 0.25  # a shorter gap, such as a closure, is part of speech (Goldman-Eisler, 1968)
MIN_SPEECH_SECONDS = 0.08  # a shorter sound, after averaging, is a click


def frame_decibels(wav: Tensor) -> Tensor:
    """RMS of 25 ms around ``t * 10 ms`` in dB re full scale, [T] float32, at least -200; samples [S] at 16 kHz."""
    power = centred_frames(wav.float(), round(WINDOW_SECONDS * SAMPLE_RATE)).square().mean(1)
    return (10 * power.clamp_min(1e-20).log10()).clamp_min(FLOOR_DECIBELS)


def speech_frames(decibels: Tensor) -> Tensor:
    """Decides which frames of a trimmed clip are speech, [T] bool, from the level of each frame, [T].

    The threshold lies 6 dB above the noise (the 5th percentile of what was recorded), limited to 18 to 35 dB below the
    loudest 50 ms. Sounds shorter than 80 ms are dropped, then gaps shorter than 250 ms are closed.
    """
    power = torch.nn.functional.pad(10 ** (decibels / 10), (SMOOTHED_FRAMES // 2, SMOOTHED_FRAMES // 2))
    level = 10 * power.unfold(0, SMOOTHED_FRAMES, 1).mean(1).log10()
    loudest = level.max()
    recorded = level[level > loudest - DIGITAL_SILENCE_DECIBELS]
    noise = recorded.quantile(NOISE_QUANTILE) + ABOVE_NOISE_DECIBELS
    speech = level > noise.clamp(loudest - FARTHEST_DECIBELS, loudest - NEAREST_DECIBELS)
    speech = _without_short(speech, True, MIN_SPEECH_SECONDS)
    return _without_short(speech, False, MIN_PAUSE_SECONDS)


def speech_decibels(decibels: Tensor, speech: Tensor) -> float | None:
    """Mean power of the speech.

    Arguments
    ---------
    decibels : Tensor
        Level of every frame, [T].
    speech : Tensor
        Which frames count, [T] bool.

    Returns
    -------
    float or None
        dB re full scale; None if there is no speech.

    Example
    -------
    >>> decibels = torch.tensor([-20.0, -20.0, -90.0])
    >>> round(speech_decibels(decibels, torch.tensor([True, True, False])), 3)
    -20.0
    """
    if not speech.any():
        return None
    return 10 * (10 ** (decibels[speech].double() / 10)).mean().log10().item()


def _without_short(flags: Tensor, value: bool, min_seconds: float) -> Tensor:
    """Inverts runs of a value that are too short; a gap at either end stays."""
    values, counts = flags.unique_consecutive(return_counts=True)
    short = (values == value) & (counts < round(min_seconds / HOP_SECONDS))
    if not value:
        short[[0, -1]] = False
    return (values ^ short).repeat_interleave(counts)
