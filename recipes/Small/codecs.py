"""Codecs of few bits, as calls and voice messages pass them: Opus at 6 kbit/s, GSM's full rate at 8 kHz."""

from __future__ import annotations

import io

import soundfile
import torch
from torch import Tensor

from speechbrain_xser.data.waveform import resampled

SAMPLE_RATE = 16000
CODECS = {  # rate, and how libsndfile writes it
    "Opus": (16000, {"format": "OGG", "subtype": "OPUS", "compression_level": 1.0}),  # 6 kbit/s
    "GSM": (8000, {"format": "WAV", "subtype": "GSM610"}),
}


def coded(wave: Tensor, codec: str) -> Tensor:
    """A wave as it comes out of a codec.

    Arguments
    ---------
    wave : Tensor
        [S], 16 kHz, within full scale.
    codec : str
        "Opus" or "GSM".

    Returns
    -------
    Tensor
        [S] float32

    Example
    -------
    >>> wave = 0.5 * torch.sin(6.2832 * 300 * torch.arange(16000) / SAMPLE_RATE)
    >>> likeness = [torch.corrcoef(torch.stack([wave, coded(wave, codec)]))[0, 1] for codec in CODECS]
    >>> [0.9 < one.item() < 0.9999 for one in likeness]
    [True, True]
    """
    (rate, how), file = CODECS[codec], io.BytesIO()
    soundfile.write(file, resampled(wave, SAMPLE_RATE, rate, "the clip").clamp(-1, 1).numpy(), rate, **how)
    file.seek(0)
    heard = torch.from_numpy(soundfile.read(file, dtype="float32")[0])
    return resampled(heard, rate, SAMPLE_RATE, "the clip")[: len(wave)]
