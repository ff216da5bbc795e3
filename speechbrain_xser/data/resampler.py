"""Resamples block by block, with the same samples as torchaudio's resampling of the whole.

torchaudio's filter computes the outputs of one period of both rates from that period's inputs and a few neighbours. So
each block is filtered with whole periods of context on both sides, whose outputs are discarded. The recording starts
and ends with zeros, as torchaudio pads it.
"""

from __future__ import annotations

import math
import os

import torch
from torch import Tensor
from torchaudio.transforms import Resample

from speechbrain_xser.data.waveform import SAMPLE_RATE, check_ratio


class Resampler:
    """Converts a stream from one rate to another, in hertz.

    Raises
    ------
    AudioError
        If the rates have no small ratio.

    Example
    -------
    >>> from torchaudio.functional import resample
    >>> wave, resampler = torch.randn(5000), Resampler(44100, 16000)
    >>> parts = [*(resampler.push(block) for block in wave.split(999)), resampler.flush()]
    >>> torch.allclose(torch.cat(parts), resample(wave, 44100, 16000), atol=1e-6)
    True
    """

    def __init__(self, rate: int, sample_rate: int = SAMPLE_RATE, name: str | os.PathLike = "recording"):
        check_ratio(rate, sample_rate, name)
        common = math.gcd(rate, sample_rate)
        self._period, self._given_a_period = rate // common, sample_rate // common
        self._filter = Resample(rate, sample_rate, dtype=torch.float32)  # the filter that the function uses
        reach = 0 if rate == sample_rate else self._filter.width
        self._context_periods = math.ceil(reach / self._period)
        self._context = self._context_periods * self._period
        self._held = torch.zeros(self._context)
        self._taken, self._given = 0, 0  # samples

    def push(self, block: Tensor) -> Tensor:
        """Takes the next samples, [S], and returns those that are ready, [S'], possibly none."""
        self._taken += len(block)
        return self._filtered(block)

    def flush(self) -> Tensor:
        """Returns the remaining samples, [S'], at the end of the stream."""
        wanted = math.ceil(self._taken * self._given_a_period / self._period) - self._given
        return self._filtered(torch.zeros(2 * self._context + self._period))[:wanted]

    def _filtered(self, block: Tensor) -> Tensor:
        held = torch.cat([self._held, block])
        periods = max(0, (len(held) - 2 * self._context) // self._period)
        self._held = held[periods * self._period :].clone()  # a view would keep the whole block in memory
        if periods == 0:
            return held.new_zeros(0)
        first, count = self._context_periods * self._given_a_period, periods * self._given_a_period
        self._given += count
        return self._filter(held[: 2 * self._context + periods * self._period])[first : first + count]
