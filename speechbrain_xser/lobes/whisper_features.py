"""Whisper's log-mel spectrogram in torch, for a batch of clips of any lengths."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import WhisperFeatureExtractor

from speechbrain_xser.utils.lengths import valid_mask

FLOOR = 1e-10  # of a filter's power
RANGE = 8.0  # decades below a clip's loudest value


class WhisperLogMel(nn.Module):
    """``(max(log10(mel), loudest - 8) + 4) / 4``, the features of transformers' ``WhisperFeatureExtractor``.

    The extractor pads a clip with zeros to 30 s, mirrors the signal at both ends of those 30 s, and takes ``loudest``
    over all of them. Here a clip is followed by zeros too, but only up to the length of the batch, and ``loudest`` is
    taken over the clip's own frames, so padding does not affect it. The first ``frames`` values are those of the
    extractor, unless a click in the very last samples is loudest in a window that is centred beyond the clip's end.

    Source: Whisper (Radford et al., 2023, ICML).

    Arguments
    ---------
    extractor : WhisperFeatureExtractor
        Its filters, window and hop.

    Example
    -------
    >>> extractor, wav = WhisperFeatureExtractor(), torch.randn(16000)
    >>> ours = WhisperLogMel(extractor)(wav[None], torch.tensor([100]))
    >>> theirs = extractor(wav.numpy(), sampling_rate=16000, return_tensors="pt").input_features
    >>> ours.shape, torch.allclose(ours, theirs[..., :100], atol=1e-4)
    (torch.Size([1, 80, 100]), True)
    """

    def __init__(self, extractor: WhisperFeatureExtractor) -> None:
        super().__init__()
        self.hop: int = extractor.hop_length
        self.size: int = extractor.n_fft
        self.full_samples: int = extractor.n_samples
        self.register_buffer("filters", torch.from_numpy(extractor.mel_filters.T).float(), persistent=False)
        self.register_buffer("window", torch.hann_window(self.size, device="cpu"), persistent=False)

    def forward(self, wavs: Tensor, frames: Tensor) -> Tensor:
        """Features of right-padded waveforms.

        Arguments
        ---------
        wavs : Tensor
            Waveforms, [B, S], float32, zero at padding; S is a multiple of the hop.
        frames : Tensor
            Frames of each clip, [B], at most ``S / hop``.

        Returns
        -------
        Tensor
            [B, m, S / hop], float32, zero at padding.
        """
        mel = self.filters @ self._power(wavs)
        valid = valid_mask(frames, mel.shape[2], mel.device)[:, None]
        log = torch.where(valid, mel.clamp_(min=FLOOR).log10_(), float("-inf"))
        log = torch.maximum(log, log.amax((1, 2), keepdim=True) - RANGE)
        return torch.where(valid, (log + 4.0) / 4.0, 0.0)

    def _power(self, wavs: Tensor) -> Tensor:
        """Power spectra around every hop, [B, f, S / hop]; the end is mirrored only where the extractor's 30 s end."""
        half = self.size // 2
        full = wavs.shape[1] == self.full_samples
        mirrored = nn.functional.pad(wavs, (half, half if full else 0), mode="reflect")
        framed = nn.functional.pad(mirrored, (0, 0 if full else half))
        spectra = torch.stft(framed, self.size, self.hop, window=self.window, center=False, return_complex=True)
        return torch.view_as_real(spectra[..., :-1]).square().sum(-1)
