"""Every layer's output in one buffer, by forward hooks: no list of states, no stacking, no second copy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


class LayerRecord:
    """The buffer into which the hooks of :func:`recorded` write; made when the first layer's shape is known."""

    buffer: Tensor  # [n, B, T, d]

    def write(self, index: int, count: int, states: Tensor) -> None:
        """Copies layer ``index`` of ``count`` into its place."""
        if index == 0:
            self.buffer = states.new_empty(count, *states.shape)
        self.buffer[index] = states


@contextmanager
def recorded(layers: nn.ModuleList) -> Iterator[LayerRecord]:
    """Within it, every layer's output goes into one buffer while the model runs.

    Example
    -------
    >>> import torch
    >>> layers = nn.ModuleList([nn.Identity(), nn.ReLU()])
    >>> with recorded(layers) as record:
    ...     _ = layers[1](layers[0](torch.tensor([[-1.0, 2.0]])))
    >>> record.buffer
    tensor([[[-1.,  2.]],
    <BLANKLINE>
            [[ 0.,  2.]]])
    """
    record = LayerRecord()

    def hook(index: int):
        def write(module: nn.Module, inputs: tuple, output: Tensor | tuple) -> None:
            record.write(index, len(layers), output if isinstance(output, Tensor) else output[0])

        return write

    handles = [layer.register_forward_hook(hook(index)) for index, layer in enumerate(layers)]
    try:
        yield record
    finally:
        for handle in handles:
            handle.remove()
