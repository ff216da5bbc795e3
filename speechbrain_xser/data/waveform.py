"""What a waveform must be before a model is given it: mono, finite, of one rate, not too long."""

from __future__ import annotations

import math
import os

import torch
from torch import Tensor
from torchaudio.functional import resample

from speechbrain_xser.errors import AudioError

SAMPLE_RATE = 16000
HEAD_SECONDS = 30.0  # of a recording, by which its offset is known
OFFSET_STEPS = 32768  # of full scale, those of 16 bits
MAX_AMPLITUDE = 16.0  # of full scale; a clipped float file reaches 2 or so, int16 values taken for floats 32768
MAX_FILTER = 20_000_000  # taps of a resampling filter grow with the product of the reduced rates; more needs gigabytes


def check_wave(wave: Tensor, name: str | os.PathLike = "waveform", max_seconds: float | None = None) -> Tensor:
    """Returns the waveform if a model can be given it. Silence is fine.

    Arguments
    ---------
    wave : Tensor
        Waveform, [S], floating, at 16 kHz.
    name : str or path-like
        Names it in the message.
    max_seconds : float or None
        Longest length, None for any.

    Returns
    -------
    Tensor
        The same waveform.

    Raises
    ------
    AudioError
        If it is not one-dimensional, not floating, empty, too long, or holds NaN, Inf or values beyond 16.

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
    """The constant offset of a recorder: the mean of the first 30 seconds, in whole steps of 16 bits.

    Sound has no mean; what is rounded away is less than 16 bits can hold. Samples that :func:`check_wave` refuses do
    not count.

    Arguments
    ---------
    wave : Tensor
        Samples, [S], floating.
    rate : int
        Samples a second.

    Returns
    -------
    float
        To be subtracted; 0 where there is none.

    Example
    -------
    >>> offset_of(torch.tensor([0.5, 0.25]), 16000), offset_of(torch.tensor([0.5, -0.50001]), 16000)
    (0.375, 0.0)
    """
    head = wave[: round(HEAD_SECONDS * rate)].cpu().double()  # MPS has no float64
    head = head[head.abs() <= MAX_AMPLITUDE]
    return round(head.mean().item() * OFFSET_STEPS) / OFFSET_STEPS if len(head) else 0.0


def without_offset(wave: Tensor, rate: int) -> Tensor:
    """A waveform less its constant offset, as :func:`~speechbrain_xser.data.audio.load_audio` gives it.

    Arguments
    ---------
    wave : Tensor
        Samples, [S], floating.
    rate : int
        Samples a second.

    Returns
    -------
    Tensor
        [S]; where there is no offset, the same samples bit by bit.

    Example
    -------
    >>> wave = torch.tensor([0.5, -0.5, 0.25, -0.25])
    >>> torch.equal(without_offset(wave + 0.125, 16000), wave), torch.equal(without_offset(wave, 16000), wave)
    (True, True)
    """
    return wave - offset_of(wave, rate)


def check_seconds(seconds: float, max_seconds: float | None, name: str | os.PathLike) -> None:
    """Refuses a clip that is too long, before it can exhaust the memory.

    Arguments
    ---------
    seconds : float
        Length of the clip.
    max_seconds : float or None
        Longest allowed, None for any.
    name : str or path-like
        Names the clip in the message.

    Raises
    ------
    AudioError
        If it is longer.

    Example
    -------
    >>> check_seconds(120.0, 30.0, "a.wav")
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.AudioError: a.wav: 120.00 s long, expected at most 30 s. Cut it into shorter clips, or \
raise max_seconds.
    """
    if max_seconds is not None and seconds > max_seconds:
        raise AudioError(
            f"{name}: {seconds:.2f} s long, expected at most {max_seconds:g} s. Cut it into shorter clips, or "
            "raise max_seconds."
        )


def resampled(wave: Tensor, rate: int, sample_rate: int, name: str | os.PathLike) -> Tensor:
    """The waveform at the wanted rate.

    Arguments
    ---------
    wave : Tensor
        Samples, [S].
    rate, sample_rate : int
        Its own samples a second, and the wanted ones.
    name : str or path-like
        Names it in the message.

    Returns
    -------
    Tensor
        [S'], the same tensor where the rates are equal.

    Raises
    ------
    AudioError
        If the rates have no small ratio (22254 Hz, say): the filter would take gigabytes.

    Example
    -------
    >>> resampled(torch.zeros(800), 8000, 16000, "a.wav").shape
    torch.Size([1600])
    """
    check_ratio(rate, sample_rate, name)
    return wave if rate == sample_rate else resample(wave, rate, sample_rate)


def check_ratio(rate: int, sample_rate: int, name: str | os.PathLike) -> None:
    """Refuses a rate that cannot be resampled.

    Arguments
    ---------
    rate, sample_rate, name
        As for :func:`resampled`.

    Raises
    ------
    AudioError
        As :func:`resampled`.

    Example
    -------
    >>> check_ratio(44100, 16000, "a.wav")
    """
    common = math.gcd(rate, sample_rate)
    if (rate // common) * (sample_rate // common) > MAX_FILTER:
        raise AudioError(f"{name}: {rate} Hz has no small ratio to {sample_rate} Hz. Convert it to {sample_rate} Hz.")
