"""Sentences of one voice become one clip: without the silence around each, and with short pauses between."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

SAMPLE_RATE = 16000
FAINT = 0.01  # of the peak, -40 dB: softer sound at the ends is no speech
MARGIN_SECONDS = 0.03  # that stays, for a soft first or last consonant


def trimmed(wave: Tensor) -> Tensor:
    """A wave without the silence at its ends.

    Arguments
    ---------
    wave : Tensor
        [S]

    Returns
    -------
    Tensor
        [S'], empty where there is no sound at all.

    Example
    -------
    >>> len(trimmed(torch.cat([torch.zeros(8000), torch.ones(1600), torch.zeros(8000)])))  # 0.03 + 0.1 + 0.03 s
    2560
    >>> len(trimmed(torch.zeros(100)))
    0
    """
    loud = (wave.abs() > FAINT * wave.abs().max()).nonzero()[:, 0] if len(wave) else wave
    if len(loud) == 0:
        return wave[:0]
    margin = round(MARGIN_SECONDS * SAMPLE_RATE)
    return wave[max(0, int(loud[0]) - margin) : int(loud[-1]) + 1 + margin]


def joined(waves: Sequence[Tensor], pauses: Sequence[float]) -> Tensor:
    """Waves one after the other.

    Arguments
    ---------
    waves : sequence of Tensor
        [S] each.
    pauses : sequence of float
        Seconds between them, one fewer than waves.

    Returns
    -------
    Tensor
        [S]

    Raises
    ------
    ValueError
        If the numbers do not fit together.

    Example
    -------
    >>> joined([torch.ones(2), torch.ones(1)], [2 / SAMPLE_RATE])
    tensor([1., 1., 0., 0., 1.])
    """
    if len(pauses) != len(waves) - 1:
        raise ValueError(f"There are {len(pauses)} pauses for {len(waves)} waves, expected one fewer than waves.")
    parts = [waves[0]]
    for pause, wave in zip(pauses, waves[1:], strict=True):
        parts += [torch.zeros(round(pause * SAMPLE_RATE)), wave]
    return torch.cat(parts)
