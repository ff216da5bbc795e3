"""How a family of backbones turns waveforms into states; ``FrozenEncoder`` does the rest."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Network(Protocol):
    """The part of an encoder that differs between families, built from a transformers model and its extractor."""

    layer_count: int  # n
    width: int  # d
    frame_rate: float  # frames a second
    max_seconds: float  # longest clip that it accepts; infinity if there is no limit

    def frame_counts(self, samples: Tensor) -> Tensor:
        """The exact number of frames of clips with that many samples, [B], at least one each."""

    def __call__(self, wavs: Tensor, samples: Tensor, frames: Tensor) -> Tensor:
        """The states of each layer; padding affects no valid frame.

        Arguments
        ---------
        wavs : Tensor
            Waveforms, [B, S], float32.
        samples : Tensor
            Valid samples, [B], on the waveforms' device.
        frames : Tensor
            Valid frames, [B], from :meth:`frame_counts`.

        Returns
        -------
        Tensor
            [n, B, T, d].
        """
