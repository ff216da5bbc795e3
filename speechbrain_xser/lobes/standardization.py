"""Standardises encoder states by the training set's mean and spread, before any branch sums the layers.

Frozen encoders have dimensions of very unequal spread (Whisper tiny.en: 0.13 beside 14.9), and the large ones drown the
rest in a sum of layers.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from speechbrain_xser.errors import TrainingError
from speechbrain_xser.lobes.states import LayerStates, SpeechEncoder
from speechbrain_xser.utils.lengths import valid_mask

SMALLEST_SPREAD = 1e-3  # of a dimension that never changes


class StateStandardization(nn.Module):
    """Subtracts the mean of each dimension of each layer, and divides by its standard deviation.

    Mean and spread are buffers, so they are saved with the model. Before :meth:`fit`, the states stay unchanged.

    Arguments
    ---------
    encoder : SpeechEncoder
        Its number of layers and width shape the buffers.

    Example
    -------
    >>> from types import SimpleNamespace
    >>> standardization = StateStandardization(SimpleNamespace(layer_count=2, width=4))
    >>> states = LayerStates(7 + 3 * torch.randn(2, 8, 50, 4), torch.full((8,), 50), torch.zeros(8))
    >>> standardization.fit([states])
    >>> standardized = standardization(states).layers
    >>> bool(standardized.mean().abs() < 1e-4), bool((standardized.std() - 1).abs() < 0.01)
    (True, True)
    """

    def __init__(self, encoder: SpeechEncoder) -> None:
        super().__init__()
        shape = encoder.layer_count, encoder.width
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("spread", torch.ones(shape))

    def forward(self, states: LayerStates) -> LayerStates:
        """Standardises the layers of a batch.

        Arguments
        ---------
        states : LayerStates
            Layers [n, B, T, d].

        Returns
        -------
        LayerStates
            The same, with standardised layers of the same type in a new buffer; values at padding are arbitrary.
        """
        mean, spread = (part[:, None, None] for part in (self.mean, self.spread))
        return states._replace(layers=((states.layers - mean) / spread).to(states.layers.dtype))

    @torch.no_grad()
    def fit(self, batches: Iterable[LayerStates]) -> None:
        """Measures mean and spread over the valid frames of some batches.

        Arguments
        ---------
        batches : iterable of LayerStates
            States as the encoder gives them.

        Raises
        ------
        TrainingError
            If the batches have no valid frame.
        """
        count, total, squares = 0, 0.0, 0.0
        for states in batches:
            valid = _valid_frames(states)
            count, total = count + valid.shape[1], total + valid.sum(1)
            squares = squares + valid.square().sum(1)
        if not count:
            raise TrainingError("There is no clip to standardise the encoder's states by: check the training manifest.")
        mean = total / count
        self.mean.copy_(mean)
        self.spread.copy_((squares / count - mean.square()).clamp(min=SMALLEST_SPREAD**2).sqrt())


def _valid_frames(states: LayerStates) -> Tensor:
    """The valid frames of all clips, one after another, [n, N, d], float64."""
    return states.layers[:, valid_mask(states.frames, states.layers.shape[2], states.layers.device)].double()
