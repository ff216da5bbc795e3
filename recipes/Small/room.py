"""A synthetic room: after the sound itself, noise that dies away exponentially (Polack's model of reverberation)."""

from __future__ import annotations

import torch
from torch import Tensor

SAMPLE_RATE = 16000
GAP_SECONDS = 0.004  # to the first reflection: 1.4 m of way more


def impulse_response(rt60_seconds: float, direct_decibels: float, generator: torch.Generator) -> Tensor:
    """What a room makes of a click.

    Arguments
    ---------
    rt60_seconds : float
        Time in which the reverberation falls by 60 dB.
    direct_decibels : float
        Energy of the direct sound, re that of the reverberation.
    generator : torch.Generator
        Draws the reflections.

    Returns
    -------
    Tensor
        [S] float32; the direct sound is 1 and comes first.

    Raises
    ------
    ValueError
        If no time is left for a reflection.

    Example
    -------
    >>> response = impulse_response(0.5, 6.0, torch.Generator().manual_seed(0))
    >>> response[0], len(response) / SAMPLE_RATE
    (tensor(1.), 0.504)
    >>> 10 * (1 / response[1:].square().sum()).log10().round(decimals=3)
    tensor(6.)
    """
    if rt60_seconds <= GAP_SECONDS:
        raise ValueError(f"A room's RT60 is {rt60_seconds:g} s, expected more than {GAP_SECONDS:g} s.")
    gap = round(GAP_SECONDS * SAMPLE_RATE)
    seconds = torch.arange(round(rt60_seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tail = torch.randn(len(seconds), generator=generator) * 10 ** (-3 * seconds / rt60_seconds)
    tail *= 10 ** (-direct_decibels / 20) / tail.square().sum().sqrt()
    return torch.cat([torch.ones(1), torch.zeros(gap - 1), tail])


def in_room(wave: Tensor, response: Tensor) -> Tensor:
    """A wave as it sounds in a room, with the reverberation after its end.

    Arguments
    ---------
    wave : Tensor
        [S]
    response : Tensor
        The room's, [R].

    Returns
    -------
    Tensor
        [S + R - 1] float32

    Example
    -------
    >>> in_room(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.5])).round(decimals=4) + 0.0
    tensor([1.0000, 0.5000, 0.0000])
    """
    samples = len(wave) + len(response) - 1
    return torch.fft.irfft(torch.fft.rfft(wave, samples) * torch.fft.rfft(response, samples), samples)
