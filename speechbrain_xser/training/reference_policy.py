"""The policy that supervised training left: a copy of what a rewarded stage trains, taken before its first step.

A model has one LoRA, which supervised training has filled: without any LoRA the LLM has never met the task. So the
reference is the same weights without what this stage has changed in them: the branch and the LoRA as they were. The
copy is small (no backbone is in it), and takes the place of the trained weights for a forward pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from speechbrain_xser.utils.differences import check_tensors


class ReferencePolicy:
    """A copy of some parameters, which can stand in for them.

    Arguments
    ---------
    parameters : mapping of str to Parameter
        Those that a stage trains, by name.

    Example
    -------
    >>> layer = nn.Linear(1, 1, bias=False)
    >>> reference = ReferencePolicy({"weight": layer.weight})
    >>> before = layer.weight.item()
    >>> with torch.no_grad():
    ...     _ = layer.weight.add_(1)
    >>> with reference.in_place():
    ...     layer.weight.item() == before
    True
    >>> layer.weight.item() == before
    False
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        self.parameters = dict(parameters)
        self.tensors: dict[str, Tensor] = {name: one.detach().clone() for name, one in self.parameters.items()}

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The copy in the place of the parameters, without gradients."""
        trained = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}
        try:
            self._put(self.tensors)
            with torch.no_grad():
                yield
        finally:
            self._put(trained)

    def load(self, tensors: Mapping[str, Tensor], where: str) -> None:
        """Takes the copy of an earlier process.

        Arguments
        ---------
        tensors : mapping of str to Tensor
            As a checkpoint holds them.
        where : str
            Their file, for messages.

        Raises
        ------
        CheckpointError
            If a tensor is missing, unexpected or of another shape.
        """
        check_tensors(tensors, self.tensors, where)
        self.tensors = {name: tensors[name].to(one.device, copy=True) for name, one in self.tensors.items()}

    @torch.no_grad()
    def _put(self, tensors: Mapping[str, Tensor]) -> None:
        """Copies, so that whoever keeps something of a parameter sees by its version that it is another."""
        for name, parameter in self.parameters.items():
            parameter.copy_(tensors[name])
