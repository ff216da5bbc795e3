"""The mask that keeps padded frames out of an attention."""

from __future__ import annotations

import torch
from torch import Tensor


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
