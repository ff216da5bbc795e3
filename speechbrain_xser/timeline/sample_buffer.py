"""The last seconds of a stream, addressed by their positions in the whole."""

from __future__ import annotations

import torch
from torch import Tensor


class SampleBuffer:
    """The samples that are still needed.

    Example
    -------
    >>> buffer = SampleBuffer()
    >>> for block in torch.arange(6.0).split(3):
    ...     buffer.append(block)
    >>> buffer.forget(2)
    >>> buffer.cut(2, 4), buffer.stop
    (tensor([2., 3.]), 6)
    """

    def __init__(self):
        self._samples = torch.zeros(0)
        self._first = 0

    @property
    def stop(self) -> int:
        """Number of samples appended since the start of the stream."""
        return self._first + len(self._samples)

    def append(self, block: Tensor) -> None:
        """Appends the next samples, [S]."""
        self._samples = torch.cat([self._samples, block])

    def forget(self, before: int) -> None:
        """Drops all samples before a position."""
        dropped = min(max(0, before - self._first), len(self._samples))
        self._samples, self._first = self._samples[dropped:].clone(), self._first + dropped

    def cut(self, start: int, stop: int) -> Tensor:
        """A copy of the samples between two positions, [stop - start]."""
        return self._samples[start - self._first : stop - self._first].clone()
