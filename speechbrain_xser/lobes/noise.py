"""Noise of a bottleneck: from torch's state, or each utterance's own, whatever batch it is in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from typing import NamedTuple

import torch
from torch import Tensor


class RowSeeds(NamedTuple):
    """Of a batch."""

    seeds: tuple[int, ...]
    calls: Iterator[int]  # each draws other noise: a model may have several bottlenecks


_rows: ContextVar[RowSeeds | None] = ContextVar("seeds of the rows of a batch", default=None)


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
    token = _rows.set(RowSeeds(tuple(seeds), count()))
    try:
        yield
    finally:
        _rows.reset(token)


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

    Raises
    ------
    ValueError
        If there is a seed for each row, and not as many as rows.
    """
    rows = _rows.get()
    if rows is None or not rows.seeds:
        return torch.randn_like(like)
    if len(rows.seeds) != len(like):
        raise ValueError(f"{len(rows.seeds)} seeds for the noise of {len(like)} rows; expected one for each.")
    call = next(rows.calls)
    seeds = [(seed + call) % 2**63 for seed in rows.seeds]
    noise = torch.zeros(like.shape, dtype=like.dtype)
    for row, seed, valid in zip(noise, seeds, frames.tolist(), strict=True):
        row[:valid] = torch.randn(valid, like.shape[2], generator=torch.Generator().manual_seed(seed), dtype=like.dtype)
    return noise.to(like.device)
