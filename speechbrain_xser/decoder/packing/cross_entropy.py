"""Cross-entropy of a frozen output layer, chunk by chunk: the logits of a whole batch never exist at once.

A vocabulary of 128,000 needs half a megabyte of logits (float32) per position, several times over in a loss. Since the
output layer is not trained, the gradient of each chunk's states is computed with its loss and kept: for a linear layer
``(softmax(logits) - onehot(targets)) W``, in place of the logits; for any other by autograd. Where only the LLM can
make logits, they are the states and the layer is the identity: then only what the loss makes of them is in chunks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear

CHUNK_LOGITS = 1 << 23  # 32 MB in float32
LOGIT_BYTES = 8  # at the peak of a linear layer's loss: twice in float32
ANY_LOGIT_BYTES = 12  # of any other layer's: autograd keeps one more
SHARE = 64  # of a GPU's memory, at most, for the logits of a chunk
LEAST_MEMORY = 24e9  # of a card that training is meant for


def chunk_logits(device: torch.device, logit_bytes: int = LOGIT_BYTES) -> int:
    """Logits in a chunk: 32 MB on a CPU, and up to a 64th of a GPU's memory, so that the output layer is read seldom.

    The meta device stands for a card of 24 GB. ``logit_bytes`` are those that a logit takes at the peak of the loss.

    Example
    -------
    >>> chunk_logits(torch.device("cpu")), chunk_logits(torch.device("meta")) // 128256  # rows of Llama 3's vocabulary
    (8388608, 365)
    """
    if device.type not in ("cuda", "meta"):
        return CHUNK_LOGITS
    memory = LEAST_MEMORY if device.type == "meta" else torch.cuda.get_device_properties(device).total_memory
    return max(CHUNK_LOGITS, int(memory / SHARE / logit_bytes))


def chunked_cross_entropy(states: Tensor, head: nn.Module, targets: Tensor, logits: int | None = None) -> Tensor:
    """``sum(cross_entropy(head(states), targets))`` without all logits at once.

    Source: the fused linear cross-entropy of Liger kernels (Hsu et al., 2024), for any output layer that is frozen.

    Arguments
    ---------
    states : Tensor
        Input of the output layer, [N, e].
    head : nn.Module
        The output layer: [n, e] to logits [n, V]. If it is trained, it runs in one piece.
    targets : Tensor
        Classes, [N] int64.
    logits : int, optional
        Approximate number of logits in one chunk; by default what :func:`chunk_logits` finds.

    Returns
    -------
    Tensor
        Nats, [], float32.

    Example
    -------
    >>> head, states, targets = torch.nn.Linear(8, 30), torch.randn(7, 8, requires_grad=True), torch.arange(7)
    >>> whole = cross_entropy(head(states), targets, reduction="sum")
    >>> parts = chunked_cross_entropy(states, head.requires_grad_(False), targets, logits=90)
    >>> torch.allclose(parts, whole), torch.allclose(*(torch.autograd.grad(one, states)[0] for one in (parts, whole)))
    (True, True)
    """
    return chunked_nats(states, head, targets, logits).sum()


def chunked_nats(states: Tensor, head: nn.Module, targets: Tensor, logits: int | None = None) -> Tensor:
    """The cross-entropy of each target, for losses that weigh tokens apart; the arguments are the same.

    Returns
    -------
    Tensor
        Nats, [N], float32.

    Example
    -------
    >>> head, states, targets = torch.nn.Linear(8, 30), torch.randn(7, 8, requires_grad=True), torch.arange(7)
    >>> weights = torch.randn(7)
    >>> whole = cross_entropy(head(states), targets, reduction="none")
    >>> parts = chunked_nats(states, head.requires_grad_(False), targets, logits=90)
    >>> gradients = [torch.autograd.grad((one * weights).sum(), states)[0] for one in (parts, whole)]
    >>> torch.allclose(parts, whole, atol=1e-6), torch.allclose(*gradients, atol=1e-6)
    (True, True)
    """
    trained = any(parameter.requires_grad for parameter in head.parameters())
    width = getattr(head, "out_features", states.shape[-1])
    logit_bytes = LOGIT_BYTES if type(head) is nn.Linear else ANY_LOGIT_BYTES
    most = chunk_logits(states.device, logit_bytes) if logits is None else logits
    if trained or len(states) <= max(1, min(most, CHUNK_LOGITS) // width):
        return cross_entropy(head(states).float(), targets, reduction="none")
    rows = max(1, most // width)
    if type(head) is nn.Linear:
        return _Chunked.apply(states, head.weight, head.bias, targets, rows)
    return _AnyChunked.apply(states, head, targets, rows)


class _Chunked(torch.autograd.Function):
    """Each token's loss and the gradient of its states, chunk by chunk, in one pass."""

    @staticmethod
    def forward(ctx, states, weight, bias, targets, rows):
        learns, nats, gradients = states.requires_grad, [], []
        for part, wanted in zip(states.split(rows), targets.split(rows), strict=True):
            logits = linear(part, weight, bias)
            kind, logits, wanted = logits.dtype, logits.float(), wanted[:, None]
            scale = logits.logsumexp(-1, keepdim=True)
            nats.append((scale - logits.gather(-1, wanted))[:, 0])
            if learns:
                surplus = logits.sub_(scale).exp_().scatter_add_(-1, wanted, -torch.ones_like(scale))
                gradients.append((surplus.to(kind) @ weight.to(kind)).to(states.dtype))
        ctx.save_for_backward(torch.cat(gradients) if learns else None)
        return torch.cat(nats)

    @staticmethod
    def backward(ctx, gradient):
        (of_states,) = ctx.saved_tensors
        return of_states * gradient[:, None].to(of_states.dtype), None, None, None, None


class _AnyChunked(torch.autograd.Function):
    """The same for any frozen output layer, whose gradient autograd finds chunk by chunk."""

    @staticmethod
    def forward(ctx, states, head, targets, rows):
        nats, gradients = [], []
        for part, wanted in zip(states.split(rows), targets.split(rows), strict=True):
            part = part.detach().requires_grad_(states.requires_grad)
            with torch.set_grad_enabled(states.requires_grad):
                loss = cross_entropy(head(part).float(), wanted, reduction="none")
            nats.append(loss.detach())
            if states.requires_grad:
                gradients += torch.autograd.grad(loss, part, torch.ones_like(loss))
        ctx.save_for_backward(torch.cat(gradients) if gradients else None)
        return torch.cat(nats)

    @staticmethod
    def backward(ctx, gradient):
        (of_states,) = ctx.saved_tensors
        return of_states * gradient[:, None].to(of_states.dtype), None, None, None
