"""Softmax-weighted sums of an encoder's layers, for all branches in one product over one buffer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class LayerMix(nn.Module):
    """Softmax-weighted sum of layers, as one matrix product over the buffer that the encoder wrote.

    Source: the weighted sum of SUPERB (Yang et al., 2021, Interspeech).

    Arguments
    ---------
    layer_count : int
        Number of layers n.

    Example
    -------
    >>> layers = torch.randn(3, 2, 5, 8)
    >>> torch.allclose(LayerMix(3)(layers), layers.mean(0), atol=1e-6)
    True
    >>> LayerMix(4).weights.tolist()
    [0.25, 0.25, 0.25, 0.25]
    """

    def __init__(self, layer_count: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(layer_count))

    @property
    def weights(self) -> Tensor:
        """The layers' weights, summing to one.

        Returns
        -------
        Tensor
            Weights, [n], float32.
        """
        return self.logits.float().softmax(0)

    def forward(self, layers: Tensor) -> Tensor:
        """Sums the layers without copying them.

        Arguments
        ---------
        layers : Tensor
            States of n layers, [n, B, T, d].

        Returns
        -------
        Tensor
            Their sum, [B, T, d], in the type of ``layers``.
        """
        return layer_sums([self.weights], layers)[0]


def layer_sums(weights: Sequence[Tensor], layers: Tensor) -> tuple[Tensor, ...]:
    """Several weighted sums of the same layers, ``[m, n] @ [n, B T d]``: the buffer is read only once.

    Arguments
    ---------
    weights : sequence of Tensor
        m weightings of n layers, [n] each; those without a gradient cost nothing in the backward pass.
    layers : Tensor
        [n, B, T, d].

    Returns
    -------
    tuple of Tensor
        m sums, [B, T, d] each, in the type of ``layers``.

    Example
    -------
    >>> layers = torch.randn(3, 2, 5, 8)
    >>> first, mean = layer_sums([torch.tensor([1.0, 0, 0]), torch.full((3,), 1 / 3)], layers)
    >>> torch.allclose(first, layers[0]), torch.allclose(mean, layers.mean(0), atol=1e-6)
    (True, True)
    """
    with torch.autocast(layers.device.type, enabled=False):
        return _LayerSums.apply(layers, *weights)


class _LayerSums(torch.autograd.Function):
    """Computes all sums as one product; saves only the layers and the weights for the backward pass."""

    @staticmethod
    def forward(ctx, layers, *weights):
        stacked = torch.stack([one.detach() for one in weights]).to(layers.dtype)
        ctx.save_for_backward(layers, stacked)
        ctx.types = [one.dtype for one in weights]
        return tuple((stacked @ layers.reshape(len(layers), -1)).view(len(weights), *layers.shape[1:]))

    @staticmethod
    def backward(ctx, *gradients):
        layers, stacked = ctx.saved_tensors
        of_weights: list[Tensor | None] = [None] * len(gradients)
        asked = [place for place in range(len(gradients)) if ctx.needs_input_grad[1 + place]]
        if asked:
            rows = torch.stack([gradients[place].flatten() for place in asked]).to(layers.dtype)
            products = layers.reshape(len(layers), -1) @ rows.T
            for column, place in enumerate(asked):
                of_weights[place] = products[:, column].to(ctx.types[place])
        of_layers = None
        if ctx.needs_input_grad[0]:
            flat = torch.stack([gradient.flatten() for gradient in gradients]).to(layers.dtype)
            of_layers = (stacked.T @ flat).view(layers.shape)
        return of_layers, *of_weights
