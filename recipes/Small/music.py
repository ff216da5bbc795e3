"""Music without a voice: plucked chords and drums, drawn from a seed."""

from __future__ import annotations

import torch
from Small.noise import at_level, white
from torch import Tensor

SAMPLE_RATE = 16000
TRIADS = ((0, 4, 7), (0, 3, 7), (0, 5, 9), (-3, 0, 4))  # semitones above the root
OVERTONES = 6
LEVEL = -22.0  # dB re full scale


def music(generator: torch.Generator) -> Tensor:
    """A piece of 2 to 8 s: chords, drums, or both, a beat each 0.2 to 0.5 s.

    Arguments
    ---------
    generator : torch.Generator
        Decides everything.

    Returns
    -------
    Tensor
        [S] float32, 16 kHz, within full scale.

    Example
    -------
    >>> one, again = (music(torch.Generator().manual_seed(3)) for _ in range(2))
    >>> 2.0 <= len(one) / SAMPLE_RATE <= 8.0, torch.equal(one, again)
    (True, True)
    """
    beat = round(_uniform(0.2, 0.5, generator) * SAMPLE_RATE)
    beats = round(_uniform(2.5, 7.5, generator) * SAMPLE_RATE / beat)
    shares = ((1.0, 0.0), (0.0, 1.0), (0.7, 0.3))[int(torch.randint(3, (), generator=generator))]
    parts = [torch.cat([sound(beat, generator) for _ in range(beats)]) for sound in (_chord, _drum)]
    piece = sum(share * at_level(part, LEVEL) for share, part in zip(shares, parts, strict=True))
    return piece.clamp(-1, 1)


def _chord(samples: int, generator: torch.Generator) -> Tensor:
    """Three notes with overtones, plucked."""
    seconds, (low, triad) = torch.arange(samples) / SAMPLE_RATE, torch.randint(24, (2,), generator=generator).tolist()
    notes = [110 * 2 ** ((low + step) / 12) for step in TRIADS[triad % len(TRIADS)]]
    tones = [torch.sin(2 * torch.pi * n * hertz * seconds) / n for hertz in notes for n in range(1, OVERTONES + 1)]
    return sum(tones) * torch.exp(-_uniform(2.0, 8.0, generator) * seconds)


def _drum(samples: int, generator: torch.Generator) -> Tensor:
    """A low beat, or a short noise."""
    seconds = torch.arange(samples) / SAMPLE_RATE
    if _uniform(0.0, 1.0, generator) < 0.5:
        return 2 * torch.sin(2 * torch.pi * _uniform(50.0, 90.0, generator) * seconds) * torch.exp(-9 * seconds)
    return white(samples, generator) * torch.exp(-_uniform(15.0, 40.0, generator) * seconds)


def _uniform(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * torch.rand((), generator=generator).item()
