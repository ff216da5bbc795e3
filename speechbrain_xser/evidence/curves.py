"""The curves of a clip for plotting: waveform, pitch and level over time, from the clip's first sample."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from speechbrain_xser.annotator.analysis import HOP_SECONDS, Heard
from speechbrain_xser.annotator.pitch import SAMPLE_RATE

PIECES = 600  # of the waveform


class Curves(NamedTuple):
    """The curves of one clip."""

    seconds: float  # length of the clip
    hop_seconds: float  # between two values of pitch and level
    start_seconds: float  # time of their first value
    hertz: Tensor  # [T] float32, 0 where unvoiced
    decibels: Tensor  # [T] float32, re full scale
    speech: Tensor  # [T] bool
    peaks: Tensor  # [P, 2] float32, smallest and largest sample in each of P equal pieces


def curves_of(wav: Tensor, heard: Heard, pieces: int = PIECES) -> Curves:
    """The curves of a clip, [S] at 16 kHz, whose analysis is ``heard``; the waveform is cut into equal pieces.

    Example
    -------
    >>> from speechbrain_xser.annotator.analysis import hear
    >>> wav = torch.nn.functional.pad(0.5 * torch.sin(6.2832 * 200 * torch.arange(16000) / 16000), (8000, 0))
    >>> curves = curves_of(wav, hear(wav), pieces=3)
    >>> curves.seconds, round(curves.start_seconds, 2), [round(low, 2) for low in curves.peaks[:, 0].tolist()]
    (1.5, 0.5, [0.0, -0.5, -0.5])
    """
    pieces = min(pieces, len(wav))
    cuts = torch.linspace(0, len(wav), pieces + 1).long().tolist()
    peaks = [torch.stack(wav[first:last].aminmax()) for first, last in zip(cuts, cuts[1:], strict=False)]
    seconds = len(wav) / SAMPLE_RATE
    return Curves(
        seconds, HOP_SECONDS, heard.start_seconds, heard.hertz, heard.decibels, heard.speech, torch.stack(peaks).float()
    )
