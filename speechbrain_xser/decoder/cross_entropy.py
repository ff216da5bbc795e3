"""Cross-entropy of a frozen output layer, chunk by chunk: at no time are the logits of a whole batch there.

A vocabulary of 128,000 makes half a megabyte of logits (float32) a position, several times over in a loss. Since the
output layer does not learn, the gradient of each chunk's states is computed while its logits are there, and kept.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

CHUNK_LOGITS = 1 << 23  # 32 MB in float32


def chunked_cross_entropy(
    states: Tensor, head: Callable[[Tensor], Tensor], targets: Tensor, chunk_logits: int = CHUNK_LOGITS
) -> Tensor:
    """``sum(cross_entropy(head(states), targets))`` without all logits at once.

    Source: the fused linear cross-entropy of Liger kernels (Hsu et al., 2024), for any output layer that is frozen.

    Arguments
    ---------
    states : Tensor
        What the output layer reads, [N, e].
    head : callable
        The output layer: [n, e] to logits [n, V]; a module with a parameter that learns is run in one piece.
    targets : Tensor
        Classes, [N] int64.
    chunk_logits : int
        Logits of one chunk, about.

    Returns
    -------
    Tensor
        Nats, [], float32.

    Example
    -------
    >>> head, states, targets = torch.nn.Linear(8, 30), torch.randn(7, 8, requires_grad=True), torch.arange(7)
    >>> whole = cross_entropy(head(states), targets, reduction="sum")
    >>> parts = chunked_cross_entropy(states, head.requires_grad_(False), targets, chunk_logits=90)
    >>> torch.allclose(parts, whole), torch.allclose(*(torch.autograd.grad(one, states)[0] for one in (parts, whole)))
    (True, True)
    """
    if isinstance(head, torch.nn.Module) and any(parameter.requires_grad for parameter in head.parameters()):
        return _nats(head(states), targets)
    width = _vocabulary(head, states)
    rows = max(1, chunk_logits // width)
    if len(states) <= rows or isinstance(head, torch.nn.Identity):
        return _nats(head(states), targets)
    return _Chunked.apply(states, head, targets, rows)


def _vocabulary(head: Callable[[Tensor], Tensor], states: Tensor) -> int:
    return getattr(head, "out_features", None) or states.shape[-1]


def _nats(logits: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(logits.float(), targets, reduction="sum")


class _Chunked(torch.autograd.Function):
    @staticmethod
    def forward(ctx, states, head, targets, rows):
        learns, total = states.requires_grad, states.new_zeros((), dtype=torch.float32)
        gradients = []
        for part, wanted in zip(states.detach().split(rows), targets.split(rows), strict=True):
            with torch.set_grad_enabled(learns):
                nats = _nats(head(part.requires_grad_(learns)), wanted)
            total += nats.detach()
            if learns:
                gradients.append(torch.autograd.grad(nats, part)[0])
        ctx.save_for_backward(torch.cat(gradients) if learns else None)
        return total

    @staticmethod
    def backward(ctx, gradient):
        (of_states,) = ctx.saved_tensors
        return of_states * gradient.to(of_states.dtype), None, None, None
