"""Noise of a bottleneck: from torch's state, or each utterance's own, whatever batch it is in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

_seeds: ContextVar[Sequence[int]] = ContextVar("seeds of the rows of a batch", default=())


@contextmanager
def noise_by_row(seeds: Sequence[int]) -> Iterator[None]:
    """Within it, :func:`gaussian_noise` of a batch of as many rows draws each by its seed.

    Arguments
    ---------
    seeds : sequence of int
        One for each row; none for torch's state.

    Example
    -------
    >>> with noise_by_row([5, 6]):
    ...     first = gaussian_noise(torch.zeros(2, 4, 3), torch.tensor([4, 2]))
    >>> with noise_by_row([6, 5]):  # another order, and less padding
    ...     other = gaussian_noise(torch.zeros(2, 4, 3), torch.tensor([2, 4]))
    >>> torch.equal(first[1], other[0]), torch.equal(first[0], first[1])
    (True, False)
    """
    token = _seeds.set(tuple(seeds))
    try:
        yield
    finally:
        _seeds.reset(token)


def gaussian_noise(like: Tensor, frames: Tensor) -> Tensor:
    """Standard normal noise for a batch.

    Arguments
    ---------
    like : Tensor
        [B, T, Z]; gives shape, type and device.
    frames : Tensor
        Valid frames of each row, [B]; a row's own noise is 0 after them.

    Returns
    -------
    Tensor
        [B, T, Z].
    """
    seeds = _seeds.get()
    if len(seeds) != len(like):
        return torch.randn_like(like)
    noise = torch.zeros(like.shape, dtype=like.dtype)
    for row, seed, count in zip(noise, seeds, frames.tolist(), strict=True):
        row[:count] = torch.randn(count, like.shape[2], generator=torch.Generator().manual_seed(seed), dtype=like.dtype)
    return noise.to(like.device)
