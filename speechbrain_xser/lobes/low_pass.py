"""A low-pass filter for padded batches."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from speechbrain_xser.errors import BackboneError
from speechbrain_xser.utils.lengths import valid_mask

TAPS = 255  # a transition of about 250 Hz at 16 kHz


class LowPass(nn.Module):
    """A windowed-sinc filter of linear phase without delay.

    Source: Oppenheim & Schafer, Discrete-Time Signal Processing, Sec. 7.5 (Hamming window).

    Arguments
    ---------
    cutoff : float
        Hz at which half of the amplitude is left.
    sample_rate : int
        In Hz.

    Raises
    ------
    BackboneError
        If the cutoff is not between 0 and half the sample rate.

    Example
    -------
    >>> time = torch.arange(16000) / 16000
    >>> tones = torch.stack([(2 * torch.pi * hertz * time).sin() for hertz in (1000, 7000)])
    >>> kept = LowPass(5000, 16000)(tones, torch.tensor([16000, 16000]))
    >>> [round(float(one.std() / tone.std()), 2) for one, tone in zip(kept, tones)]
    [1.0, 0.0]
    """

    def __init__(self, cutoff: float, sample_rate: int) -> None:
        super().__init__()
        if not 0 < cutoff < sample_rate / 2:
            raise BackboneError(f"band_hertz is {cutoff}; expected more than 0 and less than {sample_rate / 2:g}")
        times = torch.arange(TAPS, dtype=torch.float64, device="cpu") - TAPS // 2
        taps = torch.sinc(2 * cutoff / sample_rate * times)
        taps = taps * torch.hamming_window(TAPS, periodic=False, dtype=torch.float64, device="cpu")
        self.register_buffer("taps", (taps / taps.sum()).float()[None], persistent=False)

    def forward(self, wavs: Tensor, samples: Tensor) -> Tensor:
        """Filters a right-padded batch; a clip's result does not depend on the other clips.

        Arguments
        ---------
        wavs : Tensor
            Waveforms, [B, S], float32.
        samples : Tensor
            Valid samples, [B].

        Returns
        -------
        Tensor
            [B, S], zero at padding.
        """
        valid = valid_mask(samples, wavs.shape[1])
        samples = wavs.shape[1]
        size = 1 << (samples + TAPS - 1).bit_length()
        spectra = torch.fft.rfft(torch.where(valid, wavs, 0.0), size) * torch.fft.rfft(self.taps, size)
        filtered = torch.fft.irfft(spectra, size)[:, TAPS // 2 : TAPS // 2 + samples]
        return torch.where(valid, filtered, 0.0)
