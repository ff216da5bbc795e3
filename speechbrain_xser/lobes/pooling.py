"""Pools frames into one vector, with attention that ignores padding."""

from __future__ import annotations

from torch import Tensor, nn

from speechbrain_xser.utils.lengths import valid_mask


class AttentivePooling(nn.Module):
    """Mean over the valid frames, weighted by a softmax over a learned score of each.

    Source: self-attention pooling (Safari et al., 2020, Interspeech).

    Arguments
    ---------
    width : int
        Size Z of a frame.

    Example
    -------
    >>> import torch
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
