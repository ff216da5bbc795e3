"""The filterbank of SeamlessM4T and wav2vec2-BERT in torch: that of Kaldi, standardised over each clip's own frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import SeamlessM4TFeatureExtractor

from speechbrain_xser.utils.lengths import valid_mask

LENGTH, HOP, FFT = 400, 160, 512  # samples; fixed in transformers' extractor
PREEMPHASIS = 0.97
FLOOR = 1.192092955078125e-07  # of a filter's power
FULL_SCALE = 2.0**15  # Kaldi takes 16-bit integers
EPSILON = 1e-7  # added to the variance


class KaldiFilterbank(nn.Module):
    """Log-mel energies with zero mean and unit variance in each bin, as ``SeamlessM4TFeatureExtractor`` computes them.

    Spectra are computed in float64, as in the extractor, if the device has it (MPS does not): pre-emphasis leaves
    little of large values in low bins.

    Arguments
    ---------
    extractor : SeamlessM4TFeatureExtractor
        Its filters and window.

    Example
    -------
    >>> extractor, wav = SeamlessM4TFeatureExtractor(), torch.randn(16000)
    >>> bank = KaldiFilterbank(extractor)
    >>> counts = bank.frame_counts(torch.tensor([16000]))
    >>> theirs = extractor(wav.numpy(), sampling_rate=16000, return_tensors="pt").input_features
    >>> torch.allclose(bank(wav[None], counts).reshape(theirs.shape), theirs, atol=1e-4)
    True
    """

    def __init__(self, extractor: SeamlessM4TFeatureExtractor) -> None:
        super().__init__()
        self.register_buffer("filters", torch.from_numpy(extractor.mel_filters).float(), persistent=False)
        self.register_buffer("window", torch.from_numpy(extractor.window).float(), persistent=False)

    def frame_counts(self, samples: Tensor) -> Tensor:
        """Filterbank frames that fit into each clip, [B]: ``(samples - 400) // 160 + 1``."""
        return torch.div(samples.long() - LENGTH, HOP, rounding_mode="floor") + 1

    def forward(self, wavs: Tensor, frames: Tensor) -> Tensor:
        """Features of right-padded waveforms.

        Arguments
        ---------
        wavs : Tensor
            Waveforms, [B, S], float32 in -1..1.
        frames : Tensor
            Frames of each clip, [B], at least 2, from :meth:`frame_counts`.

        Returns
        -------
        Tensor
            [B, F, m], float32, zero at padding.
        """
        precise = wavs if wavs.device.type == "mps" else wavs.double()
        framed = FULL_SCALE * precise.unfold(1, LENGTH, HOP)
        framed = framed - framed.mean(-1, keepdim=True)
        before = torch.cat([framed[..., :1], framed[..., :-1]], -1)
        spectra = torch.fft.rfft((framed - PREEMPHASIS * before) * self.window, FFT)
        power = torch.view_as_real(spectra).square().sum(-1)
        log = (power @ self.filters.to(power.dtype)).clamp_(min=FLOOR).log_().float()
        return _standardised(log, frames.to(wavs.device, non_blocking=True))


def _standardised(features: Tensor, frames: Tensor) -> Tensor:
    """``(x - mean) / sqrt(variance + epsilon)`` of each bin over a clip's frames, the variance over ``frames - 1``."""
    valid, counts = valid_mask(frames, features.shape[1])[..., None], frames[:, None, None]
    mean = torch.where(valid, features, 0.0).sum(1, keepdim=True) / counts
    centred = torch.where(valid, features - mean, 0.0)
    variance = centred.square().sum(1, keepdim=True) / (counts - 1)
    return centred * torch.rsqrt(variance + EPSILON)
