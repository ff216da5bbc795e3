"""Initial weights of the tiny encoder's first convolution: windowed cosines instead of noise.

A HuBERT of 3 M parameters trains too briefly to learn a filter bank from raw samples. With four phases of each
frequency, the rectified outputs add up to a magnitude, as quadrature pairs do; everything stays trainable.
"""

from __future__ import annotations

import torch
from torch import Tensor

LOW_FILTERS = 24  # 60..700 Hz, long windows: they resolve the harmonics of a voice
HIGH_FILTERS = 40  # 300..7600 Hz on the mel scale, short windows
PHASES = 4


def quadrature_filters(kernel: int, sample_rate: int = 16000, norm: float = 30.0) -> Tensor:
    """Windowed cosines in four phases.

    Arguments
    ---------
    kernel : int
        Length in samples.
    sample_rate : int
        In Hz.
    norm : float
        Euclidean norm of the filter at 500 Hz; others are pre-emphasised by ``(f / 500 Hz) ** 0.8``, against the tilt
        of speech.

    Returns
    -------
    Tensor
        [256, 1, kernel].

    Example
    -------
    >>> quadrature_filters(640).shape
    torch.Size([256, 1, 640])
    """
    low = torch.linspace(60, 700, LOW_FILTERS)
    mel = torch.linspace(*(2595 * torch.log10(1 + torch.tensor([300.0, 7600.0]) / 700)).tolist(), HIGH_FILTERS)
    high = 700 * (10 ** (mel / 2595) - 1)
    time = (torch.arange(kernel) - (kernel - 1) / 2) / sample_rate
    rows = []
    whole = kernel / sample_rate
    for hertz, seconds in [(f, whole) for f in low.tolist()] + [(f, whole / 2) for f in high.tolist()]:
        window = torch.cos(torch.pi * time / seconds).clamp(min=0) ** 2 * (time.abs() < seconds / 2)
        for phase in range(PHASES):
            row = window * torch.cos(2 * torch.pi * hertz * time + phase * torch.pi / 2)
            rows.append(norm * max(0.3, hertz / 500) ** 0.8 * row / row.norm())
    return torch.stack(rows)[:, None, :]
