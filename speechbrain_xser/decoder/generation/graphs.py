"""Steps as CUDA graphs: a step of one row is a thousand small kernels, whose launches take longer than they do."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class GraphedSteps:
    """A step that is recorded once for each shape and replayed from then on.

    Arguments
    ---------
    step : callable
        ``step(ids, positions)`` returns logits; all tensors stay at their addresses.

    Example
    -------
    >>> if torch.cuda.is_available():
    ...     weight = torch.randn(5, 3, device="cuda")
    ...     steps = GraphedSteps(lambda ids, positions: weight[ids] + positions[..., None])
    ...     ids = torch.tensor([[1], [4]], device="cuda")
    ...     assert all(torch.equal(steps(ids, ids + n), weight[ids] + (ids + n)[..., None]) for n in range(3))
    """

    def __init__(self, step: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.step = step
        self._recorded: dict[torch.Size, tuple[torch.cuda.CUDAGraph, Tensor, Tensor, Tensor]] = {}

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        """Logits, [R, n, V], of ids and positions, [R, n]; the next call of the same shape overwrites them."""
        if ids.shape not in self._recorded:
            self._recorded[ids.shape] = self._record(ids.clone(), positions.clone())
        graph, fed, places, logits = self._recorded[ids.shape]
        fed.copy_(ids)
        places.copy_(positions)
        graph.replay()
        return logits

    def _record(self, ids: Tensor, positions: Tensor) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor, Tensor]:
        """Records a step after two runs on another stream, so that nothing is initialised while recording."""
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(2):
                self.step(ids, positions)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            logits = self.step(ids, positions)
        return graph, ids, positions, logits
