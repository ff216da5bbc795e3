"""The output layer over few rows, which is the widest product of a generated token."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def few_logits(head: nn.Module, states: Tensor) -> Tensor:
    """Logits, [..., V], of some states, [..., e]; on a CPU in float32 as ``(W states')'``, not contiguous.

    The CPU's matrix product is slow for a wide layer and few rows: with 128,000 outputs and eight rows, the transposed
    product is two to three times faster, with the same numbers up to rounding. One row is worst (three times slower
    than two), so it is computed twice.

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
