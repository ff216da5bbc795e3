"""The mask that keeps padded frames out of an attention, and the few lengths that a GPU's attention meets."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from speechbrain_xser.utils.lengths import rounded


def key_mask(valid: Tensor, dtype: torch.dtype) -> Tensor:
    """An additive mask: zero for keys that every query may see, minus infinity for padded ones.

    Arguments
    ---------
    valid : Tensor
        True at valid frames, [B, T].
    dtype : torch.dtype
        Of the hidden states.

    Returns
    -------
    Tensor
        [B, 1, T, T], a view of [B, 1, 1, T].

    Example
    -------
    >>> key_mask(torch.tensor([[True, False]]), torch.float32)[0, 0]
    tensor([[0., -inf],
            [0., -inf]])
    """
    mask = torch.zeros_like(valid, dtype=dtype).masked_fill_(~valid, float("-inf"))
    return mask[:, None, None].expand(-1, 1, valid.shape[1], -1)


def in_few_lengths(hidden: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """On a GPU, pads states to one of a few lengths, since kernels prepare something for each; on a CPU, nothing.

    Arguments
    ---------
    hidden : Tensor
        States, [B, T, d].
    valid : Tensor
        True at valid frames, [B, T].

    Returns
    -------
    tuple of Tensor
        States [B, T', d], zero at the new frames, and their validity [B, T'].

    Example
    -------
    >>> states, valid = in_few_lengths(torch.ones(1, 30, 4, device="meta"), torch.ones(1, 30, device="meta").bool())
    >>> states.shape, valid.shape
    (torch.Size([1, 32, 4]), torch.Size([1, 32]))
    """
    more = rounded(hidden.shape[1]) - hidden.shape[1] if has_shapes(hidden.device) else 0
    if not more:
        return hidden, valid
    return nn.functional.pad(hidden, (0, 0, 0, more)), nn.functional.pad(valid, (0, more))


def has_shapes(device: torch.device) -> bool:
    """Whether a device's kernels prepare something for every shape; the meta device stands for one that does."""
    return device.type != "cpu"
