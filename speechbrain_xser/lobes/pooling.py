"""Pools frames into one vector: their mean, or one weighted by attention. Padding counts in neither."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from speechbrain_xser.utils.lengths import valid_mask


def masked_mean(frames: Tensor, counts: Tensor) -> Tensor:
    """Mean over the valid frames of each utterance.

    Arguments
    ---------
    frames : Tensor
        Right-padded frames, [B, T, Z]; padding may hold anything.
    counts : Tensor
        Valid frames, [B], int64, at least 1.

    Returns
    -------
    Tensor
        Vectors, [B, Z], float32.

    Example
    -------
    >>> masked_mean(torch.tensor([[[1.0], [3.0], [float("nan")]]]), torch.tensor([2]))
    tensor([[2.]])
    """
    valid = valid_mask(counts, frames.shape[1], frames.device)[..., None]
    return torch.where(valid, frames.float(), 0.0).sum(1) / counts.to(frames.device)[:, None]


class AttentivePooling(nn.Module):
    """Mean over the valid frames, weighted by a softmax over a learned score of each.

    Source: self-attention pooling (Safari et al., 2020, Interspeech).

    Arguments
    ---------
    width : int
        Size Z of a frame.

    Example
    -------
    >>> frames, counts = torch.randn(2, 5, 8), torch.tensor([5, 2])
    >>> pooled = AttentivePooling(8)
    >>> torch.allclose(pooled(frames, counts)[1], pooled(frames[1:, :2], counts[1:])[0], atol=1e-6)
    True
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, frames: Tensor, counts: Tensor) -> Tensor:
        """Pools each utterance.

        Arguments
        ---------
        frames : Tensor
            Right-padded frames, [B, T, Z], finite at padding.
        counts : Tensor
            Valid frames, [B], int64, at least 1.

        Returns
        -------
        Tensor
            Vectors, [B, Z], float32.
        """
        scores = self.score(frames)[..., 0].float()
        scores = scores.masked_fill(~valid_mask(counts, frames.shape[1], frames.device), float("-inf"))
        return (scores.softmax(1)[..., None] * frames.float()).sum(1)
