"""What a family of backbones makes of waveforms; ``FrozenEncoder`` does the rest."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Network(Protocol):
    """The part of an encoder that differs from family to family, made of a transformers model and its extractor."""

    layer_count: int  # n
    width: int  # d
    frame_rate: float  # frames a second
    max_seconds: float  # longest clip that it hears; infinity where it hears any

    def frame_counts(self, samples: Tensor) -> Tensor:
        """Frames of clips with so many samples, [B], exactly, at least one each."""

    def __call__(self, wavs: Tensor, samples: Tensor, frames: Tensor) -> Tensor:
        """The states of each layer; what stands at padding reaches no valid frame.

        Arguments
        ---------
        wavs : Tensor
            Waveforms, [B, S], float32.
        samples : Tensor
            Valid samples, [B], on the waveforms' device.
        frames : Tensor
            Valid frames, [B], by :meth:`frame_counts`.

        Returns
        -------
        Tensor
            [n, B, T, d].
        """
