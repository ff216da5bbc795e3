"""Connectionist temporal classification (Graves et al., 2006, ICML); class 0 is the blank."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def ctc_nats(log_probs: Tensor, targets: Tensor, frames: Tensor, lengths: Tensor) -> Tensor:
    """Nats of each row's targets over all paths that say them.

    Arguments
    ---------
    log_probs : Tensor
        Log-probabilities [T, B, 1 + classes].
    targets : Tensor
        Classes of all rows, one after another, [N] int64, from 1.
    frames : Tensor
        Valid frames, [B] int64.
    lengths : Tensor
        Targets of each row, [B] int64.

    Returns
    -------
    Tensor
        [B]; 0 for a row that needs more frames than it has.

    Example
    -------
    >>> even = torch.full((2, 1, 2), 0.5).log()  # two frames: three of four paths say class 1
    >>> ctc_nats(even, torch.tensor([1]), torch.tensor([2]), torch.tensor([1])).exp()
    tensor([1.3333])
    """
    return F.ctc_loss(log_probs, targets, frames, lengths, reduction="none", zero_infinity=True)


def collapsed(path: Tensor) -> Tensor:
    """A path [T] without repetitions and blanks.

    Example
    -------
    >>> collapsed(torch.tensor([1, 1, 0, 1, 2, 2, 28, 3]))
    tensor([ 1,  1,  2, 28,  3])
    """
    path = torch.unique_consecutive(path)
    return path[path > 0]
