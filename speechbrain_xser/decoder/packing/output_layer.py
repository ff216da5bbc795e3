"""The output layer over few rows: the widest product of a generated token."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def few_logits(head: nn.Module, states: Tensor) -> Tensor:
    """Logits of some rows; on a CPU in float32 as ``(W states')'``.

    A wide layer and few rows are what the CPU's matrix product handles badly the usual way round: with 128,000 outputs
    and eight rows the other way is two to three times faster, and the same numbers but for rounding. One row is worst
    (three times slower than two), so it is computed twice.

    Arguments
    ---------
    head : nn.Module
        The output layer.
    states : Tensor
        What it reads, [..., e].

    Returns
    -------
    Tensor
        [..., V]; not contiguous where it was turned round.

    Example
    -------
    >>> head, states = nn.Linear(8, 30), torch.randn(2, 3, 8)
    >>> [torch.allclose(few_logits(head, part), head(part), atol=1e-6) for part in (states, states[:1, :1])]
    [True, True]
    """
    usual = type(head) is not nn.Linear or states.device.type != "cpu" or states.dtype != torch.float32
    if usual or torch.is_autocast_enabled("cpu") or head.weight.dtype != torch.float32:
        return head(states)
    rows = states.flatten(0, -2)
    logits = (head.weight @ (rows.repeat(2, 1) if len(rows) == 1 else rows).T).T[: len(rows)]
    logits = logits if head.bias is None else logits + head.bias
    return logits.unflatten(0, states.shape[:-1])
