"""Which frequencies a recording has: fewer, as through a telephone, or some above the end of its own band."""

from __future__ import annotations

import torch
from torch import Tensor

SAMPLE_RATE = 16000
SLOPE = 0.05  # of the cut-off: over this width below it the gain falls to nothing


def low_passed(wave: Tensor, hertz: float) -> Tensor:
    """A wave without what lies above a frequency.

    Arguments
    ---------
    wave : Tensor
        [S], 16 kHz.
    hertz : float
        From here on nothing is left; up to 95 % of it nothing changes.

    Returns
    -------
    Tensor
        [S] float32

    Example
    -------
    >>> time = torch.arange(16000, dtype=torch.float64) / SAMPLE_RATE
    >>> low, high = (torch.sin(2 * torch.pi * hertz * time) for hertz in (1000, 5000))
    >>> torch.allclose(low_passed(low + high, 4000), low, atol=1e-3)
    True
    """
    spectrum, frequencies = _spectrum(wave)
    above = ((frequencies - (1 - SLOPE) * hertz) / (SLOPE * hertz)).clamp(0, 1)
    return torch.fft.irfft(spectrum * (0.5 + 0.5 * (torch.pi * above).cos()), len(wave))


def with_high_band(wave: Tensor, hertz: float, decibels: float) -> Tensor:
    """A wave with a weaker copy of its uppermost frequencies above the end of its band, up to 8 kHz.

    So brightness says less of how somebody speaks: CREMA-D's clips end at 5.5 kHz, and other recordings do not.

    Arguments
    ---------
    wave : Tensor
        [S], 16 kHz, with nothing above ``hertz``.
    hertz : float
        Where its band ends, from 4000 up.
    decibels : float
        Gain of the copy, below 0.

    Returns
    -------
    Tensor
        [S] float32

    Raises
    ------
    ValueError
        If the band ends elsewhere.

    Example
    -------
    >>> time = torch.arange(16000) / SAMPLE_RATE
    >>> wave = with_high_band(torch.sin(2 * torch.pi * 4000 * time), 5500, -20.0)
    >>> torch.fft.rfft(wave).abs()[[4000, 6500]].round()  # 1 Hz a bin: the copy lies 2500 Hz higher
    tensor([8000.,  800.])
    """
    if not 4000 <= hertz <= 8000:
        raise ValueError(f"The band ends at {hertz:g} Hz, expected 4000 to 8000 Hz.")
    spectrum, frequencies = _spectrum(wave)
    end = int(torch.searchsorted(frequencies, hertz))
    width = len(frequencies) - 1 - end  # without the last, which has no phase
    spectrum[end : end + width] += 10 ** (decibels / 20) * spectrum[end - width : end]
    return torch.fft.irfft(spectrum, len(wave))


def _spectrum(wave: Tensor) -> tuple[Tensor, Tensor]:
    """The spectrum of a whole wave and its frequencies in hertz."""
    return torch.fft.rfft(wave), torch.fft.rfftfreq(len(wave), 1 / SAMPLE_RATE)
