"""Every layer's output in one buffer, by forward hooks: no list of states, no stacking, no second copy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


class LayerRecord:
    """The buffer into which the hooks of :func:`recorded` write; made when the first layer's shape is known."""

    buffer: Tensor  # [n, B, T, d]

    def write(self, index: int, count: int, states: Tensor) -> None:
        """Copies a layer's states into their place; the first layer's make the buffer.

        Arguments
        ---------
        index : int
            Which layer, from 0.
        count : int
            Number of layers n.
        states : Tensor
            Its output, [B, T, d].

        Example
        -------
        >>> import torch
        >>> record = LayerRecord()
        >>> for index in range(3):
        ...     record.write(index, 3, torch.full((2, 5, 8), float(index)))
        >>> record.buffer.shape, record.buffer[2].unique()
        (torch.Size([3, 2, 5, 8]), tensor([2.]))
        """
        if index == 0:
            self.buffer = states.new_empty(count, *states.shape)
        self.buffer[index] = states


@contextmanager
def recorded(layers: nn.ModuleList) -> Iterator[LayerRecord]:
    """Within it, every layer's output goes into one buffer while the model runs.

    Arguments
    ---------
    layers : nn.ModuleList
        The n layers; each returns its states [B, T, d], alone or first in a tuple.

    Yields
    ------
    LayerRecord
        Its ``buffer`` is [n, B, T, d] after the model ran. The hooks are gone when the block ends.

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
