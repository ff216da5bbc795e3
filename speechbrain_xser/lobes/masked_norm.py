"""Normalisation that ignores padding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from speechbrain_xser.utils.lengths import valid_mask


def masked_group_norm(features: Tensor, frames: Tensor, norm: nn.GroupNorm) -> Tensor:
    """Group norm with one channel in each group; its mean and variance ignore padding.

    Arguments
    ---------
    features : Tensor
        Features, [B, c, T].
    frames : Tensor
        Valid frames, [B], int64.
    norm : nn.GroupNorm
        Gives weight, bias and epsilon; its groups must be single channels, as in all these models.

    Returns
    -------
    Tensor
        Normalised features, [B, c, T], in the type of ``features``; statistics in float32.

    Example
    -------
    >>> norm, features = nn.GroupNorm(4, 4), torch.randn(1, 4, 9)
    >>> masked = masked_group_norm(features, torch.tensor([6]), norm)
    >>> torch.allclose(masked[..., :6], norm(features[..., :6]), atol=1e-6)
    True
    """
    valid = valid_mask(frames, features.shape[2])[:, None]
    kept = torch.where(valid, features.float(), 0.0)
    scaled = standardised(kept, valid, frames[:, None], norm.eps)
    return (scaled * norm.weight.float()[:, None] + norm.bias.float()[:, None]).to(features.dtype)


def standardised(values: Tensor, valid: Tensor, counts: Tensor, epsilon: float) -> Tensor:
    """``(x - mean) / sqrt(variance + epsilon)`` over the valid part of the last axis; zeros elsewhere.

    Arguments
    ---------
    values : Tensor
        Values, [..., L], already zero where not valid.
    valid : Tensor
        True at valid places, broadcast to ``values``.
    counts : Tensor
        How many are valid, broadcast to ``values`` without its last axis.
    epsilon : float
        Added to the (biased) variance.

    Returns
    -------
    Tensor
        Standardised values, [..., L].

    Example
    -------
    >>> values, valid = torch.tensor([[1.0, 3.0, 0.0]]), torch.tensor([[True, True, False]])
    >>> standardised(values, valid, torch.tensor([2]), epsilon=0.0)
    tensor([[-1.,  1.,  0.]])
    """
    counts = counts.clamp(min=1)[..., None]
    centred = torch.where(valid, values - values.sum(-1, keepdim=True) / counts, 0.0)
    variance = centred.square().sum(-1, keepdim=True) / counts
    return centred * torch.rsqrt(variance + epsilon)
