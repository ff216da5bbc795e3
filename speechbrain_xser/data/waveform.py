"""What a waveform has to be before a model takes it: mono, finite, at one rate, not too long."""

from __future__ import annotations

import math
import os

import torch
from torch import Tensor
from torchaudio.functional import resample

from speechbrain_xser.errors import AudioError

SAMPLE_RATE = 16000
HEAD_SECONDS = 30.0  # of a recording, from which its offset is measured
OFFSET_STEPS = 32768  # 16-bit steps in full scale
MAX_AMPLITUDE = 16.0  # times full scale; a clipped float file reaches about 2, int16 values read as floats 32768
MAX_FILTER = 20_000_000  # product of the reduced rates; the filter's taps grow with it, up to gigabytes
RATES = (1000, 384_000)  # hertz: below is no speech, above are only files made to fill the memory
MAX_CHANNELS = 32
LONGEST_SECONDS = 3600.0  # of a clip that is held in memory as a whole
PART_SAMPLES = 1 << 18  # of a waveform, at a time in float64


def check_wave(wave: Tensor, name: str | os.PathLike = "waveform", max_seconds: float | None = None) -> Tensor:
    """Returns the waveform if a model can take it. Silence is allowed.

    Arguments
    ---------
    wave : Tensor
        Waveform, [S], floating point, at 16 kHz.
    name : str or path-like
        Its name in the message.
    max_seconds : float or None
        Longest length; None for any.

    Returns
    -------
    Tensor
        The same waveform.

    Raises
    ------
    AudioError
        If it is not one-dimensional or floating point, is empty or too long, or contains NaN, Inf or values beyond 16.

    Example
    -------
    >>> check_wave(torch.tensor([0.0, float("nan")]), "a.wav")
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.AudioError: a.wav: 1 of 2 samples are NaN or Inf, expected finite numbers. Export it again.
    """
    if wave.dim() != 1 or not wave.is_floating_point():
        raise AudioError(
            f"{name}: shape {tuple(wave.shape)} of {wave.dtype}, expected [S] floats. Average the channels."
        )
    if wave.numel() == 0:
        raise AudioError(
            f"{name}: no samples, expected at least one. The file is empty: download it again, or drop it."
        )
    check_seconds(wave.numel() / SAMPLE_RATE, max_seconds, name)
    bad = int((~torch.isfinite(wave)).sum())
    if bad:
        raise AudioError(
            f"{name}: {bad} of {wave.numel()} samples are NaN or Inf, expected finite numbers. Export it again."
        )
    peak = wave.abs().max().item()
    if peak > MAX_AMPLITUDE:
        raise AudioError(f"{name}: peak {peak:g}, expected at most {MAX_AMPLITUDE:g}. Scale samples to -1..1.")
    return wave


def offset_of(wave: Tensor, rate: int) -> float:
    """The constant offset of a recording: the mean of its first 30 seconds, in whole 16-bit steps.

    Sound has no mean, and what is rounded away is less than 16 bits can hold. Samples that ``check_wave`` refuses do
    not count.

    Example
    -------
    >>> offset_of(torch.tensor([0.5, 0.25]), 16000), offset_of(torch.tensor([0.5, -0.50001]), 16000)
    (0.375, 0.0)
    """
    total = count = 0
    for part in wave[: round(HEAD_SECONDS * rate)].cpu().split(PART_SAMPLES):  # MPS has no float64
        usable = part[part.abs() <= MAX_AMPLITUDE]
        total, count = total + usable.double().sum().item(), count + len(usable)
    return round(total / count * OFFSET_STEPS) / OFFSET_STEPS if count else 0.0


def without_offset(wave: Tensor, rate: int) -> Tensor:
    """A waveform [S] without its constant offset; bit for bit the same if there is none."""
    return wave - offset_of(wave, rate)


def check_seconds(seconds: float, max_seconds: float | None, name: str | os.PathLike) -> None:
    """Refuses a clip that is too long, before it can exhaust the memory."""
    if max_seconds is not None and seconds > max_seconds:
        raise AudioError(
            f"{name}: {seconds:.2f} s long, expected at most {max_seconds:g} s. Cut it into shorter clips, or "
            "raise max_seconds."
        )


def check_format(rate: int, channels: int, name: str | os.PathLike) -> None:
    """Refuses a rate or a number of channels that no recording has, before anything is decoded.

    Example
    -------
    >>> check_format(800_000_000, 1, "a.aiff")
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.AudioError: a.aiff: 800000000 Hz and 1 channel, expected 1000 to 384000 Hz and 1 to 32 \
channels. Convert it to 16000 Hz and one channel.
    """
    if RATES[0] <= rate <= RATES[1] and 1 <= channels <= MAX_CHANNELS:
        return
    raise AudioError(
        f"{name}: {rate} Hz and {channels} channel{'s' * (channels != 1)}, expected {RATES[0]} to {RATES[1]} Hz and 1 "
        f"to {MAX_CHANNELS} channels. Convert it to {SAMPLE_RATE} Hz and one channel."
    )


def resampled(wave: Tensor, rate: int, sample_rate: int, name: str | os.PathLike) -> Tensor:
    """The waveform [S] at the wanted rate; the same tensor if the rates are equal.

    Raises
    ------
    AudioError
        If the rates have no small ratio (for example 22254 Hz): the filter would take gigabytes.
    """
    check_ratio(rate, sample_rate, name)
    return wave if rate == sample_rate else resample(wave, rate, sample_rate)


def check_ratio(rate: int, sample_rate: int, name: str | os.PathLike) -> None:
    """Refuses a rate that :func:`resampled` cannot convert."""
    common = math.gcd(rate, sample_rate)
    if (rate // common) * (sample_rate // common) > MAX_FILTER:
        raise AudioError(f"{name}: {rate} Hz has no small ratio to {sample_rate} Hz. Convert it to {sample_rate} Hz.")
