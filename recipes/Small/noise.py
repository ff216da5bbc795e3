"""Noise to speak in: white, pink, and the babble of other voices."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SAMPLE_RATE = 16000
LOWEST_HERTZ = 20.0  # below it pink noise rises no further


def white(samples: int, generator: torch.Generator) -> Tensor:
    """Noise of equal power at every frequency.

    Arguments
    ---------
    samples : int
        How long.
    generator : torch.Generator
        Decides it.

    Returns
    -------
    Tensor
        [S] float32, of RMS 1 on average.

    Example
    -------
    >>> white(16000, torch.Generator().manual_seed(0)).std().round(decimals=1)
    tensor(1.)
    """
    return torch.randn(samples, generator=generator)


def pink(samples: int, generator: torch.Generator) -> Tensor:
    """Noise of equal power in every octave: 3 dB less with each.

    Arguments
    ---------
    samples : int
        How long.
    generator : torch.Generator
        Decides it.

    Returns
    -------
    Tensor
        [S] float32, of RMS 1.

    Example
    -------
    >>> power = torch.fft.rfft(pink(16000, torch.Generator().manual_seed(0))).abs().square()  # 1 Hz a bin
    >>> low, high = power[500:1000].sum(), power[2000:4000].sum()
    >>> 0.8 < low / high < 1.25
    tensor(True)
    """
    spectrum = torch.fft.rfft(white(samples, generator))
    hertz = torch.fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    noise = torch.fft.irfft(spectrum / hertz.clamp_min(LOWEST_HERTZ).sqrt(), samples)
    return noise / noise.square().mean().sqrt()


def babble(clips: Sequence[Tensor], samples: int, generator: torch.Generator, voices: int = 5) -> Tensor:
    """Several clips at once, each equally loud and repeated from a place of its own.

    Arguments
    ---------
    clips : sequence of Tensor
        Speech, [S] each, none silent.
    samples : int
        How long.
    generator : torch.Generator
        Chooses clips and places.
    voices : int
        Clips at a time.

    Returns
    -------
    Tensor
        [S] float32, of RMS 1.

    Raises
    ------
    ValueError
        If there is no clip.

    Example
    -------
    >>> clips = [torch.randn(800), torch.randn(500)]
    >>> babble(clips, 2000, torch.Generator().manual_seed(0)).square().mean().round(decimals=3)
    tensor(1.)
    """
    if not clips:
        raise ValueError("Babble is made of other clips, and there is none: choose white or pink noise.")
    total = torch.zeros(samples)
    for number in torch.randint(len(clips), (voices,), generator=generator).tolist():
        clip = clips[number]
        first = int(torch.randint(len(clip), (), generator=generator))
        total += (clip / clip.square().mean().sqrt())[(first + torch.arange(samples)) % len(clip)]
    return total / total.square().mean().sqrt()


def level_of(wave: Tensor) -> float:
    """The level of a whole wave.

    Arguments
    ---------
    wave : Tensor
        [S], full scale is 1.

    Returns
    -------
    float
        RMS in dB re full scale, at least -200.

    Example
    -------
    >>> level_of(torch.tensor([0.1, -0.1]))
    -20.0
    """
    return round(10 * wave.double().square().mean().clamp_min(1e-20).log10().item(), 4)


def at_level(wave: Tensor, decibels: float) -> Tensor:
    """A wave made louder or softer.

    Arguments
    ---------
    wave : Tensor
        [S], not silent.
    decibels : float
        RMS of the result, re full scale.

    Returns
    -------
    Tensor
        [S]

    Example
    -------
    >>> at_level(torch.tensor([0.5, -0.5]), -20.0)
    tensor([ 0.1000, -0.1000])
    """
    return wave * (10 ** (decibels / 20) / wave.square().mean().sqrt())


def with_noise(wave: Tensor, noise: Tensor, snr_decibels: float, level: float | None = None) -> Tensor:
    """A wave in noise.

    Arguments
    ---------
    wave : Tensor
        [S]
    noise : Tensor
        As long; its own level does not matter.
    snr_decibels : float
        How far the noise lies below the wave.
    level : float or None
        Of the wave, in dB re full scale; None for what it has on the whole, which counts its silence.

    Returns
    -------
    Tensor
        [S]

    Example
    -------
    >>> wave, noise = torch.tensor([1.0, -1.0]), torch.tensor([1.0, 1.0])
    >>> with_noise(wave, noise, 20.0)
    tensor([ 1.1000, -0.9000])
    """
    return wave + at_level(noise, (level_of(wave) if level is None else level) - snr_decibels)
