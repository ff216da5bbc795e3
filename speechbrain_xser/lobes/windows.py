"""Hears long clips in parts: an encoder's states of a long clip differ from those of the short clips of a training.

Whisper's states change with the place in the clip and with how much it hears at once. A branch that was trained on
clips of two or three seconds reads those of fifteen worse than those of its parts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from speechbrain_xser.errors import BackboneError

Network = Callable[[Tensor, Tensor, Tensor], Tensor]  # waves [B, S], samples [B], frames [B] to layers [n, B, T, d]
Counts = Callable[[Tensor], Tensor]  # from samples to frames


class Parts(NamedTuple):
    """How clips are divided."""

    number: Tensor  # of parts of each clip, [B] int64, at least 1
    size: Tensor  # samples of each but the last, [B] int64
    last: Tensor  # samples of the last, [B] int64

    def frames(self, counts: Counts) -> Tensor:
        """Frames of each clip, those of its parts together, [B] int64."""
        return (self.number - 1) * counts(self.size) + counts(self.last)

    def lengths(self) -> list[list[int]]:
        """Samples of all parts of each clip."""
        rows = torch.stack(self, 1).tolist()
        return [[size] * (number - 1) + [last] for number, size, last in rows]


class Windows:
    """Divides clips into equal parts of about one length.

    Arguments
    ---------
    seconds : float
        The length; a clip has as many parts as come closest to it, so one below one and a half times of it stays whole.
    sample_rate : int
        In Hz.
    frame_rate : float
        Frames a second; every part but the last has a whole number of them.

    Raises
    ------
    BackboneError
        If the length is below half a second.

    Example
    -------
    >>> windows = Windows(3.0, 16000, 50.0)
    >>> windows.parts(torch.tensor([64000, 112000])).lengths()  # 4 and 7 seconds
    [[64000], [56000, 56000]]
    """

    def __init__(self, seconds: float, sample_rate: int, frame_rate: float) -> None:
        if not seconds >= 0.5:
            raise BackboneError(f"window_seconds is {seconds}; expected 0.5 or more, or null for whole clips")
        self.samples, self.hop = round(seconds * sample_rate), round(sample_rate / frame_rate)

    def parts(self, samples: Tensor) -> Parts:
        """How clips of so many samples, [B] int64, are divided."""
        number = ((2 * samples + self.samples) // (2 * self.samples)).clamp(min=1)
        size = samples // number // self.hop * self.hop
        return Parts(number, size, samples - size * (number - 1))

    def states(self, network: Network, counts: Counts, wavs: Tensor, samples: Tensor) -> Tensor:
        """The layers of clips, [n, B, T, d]: those of their parts, each heard alone, one after the other.

        Arguments
        ---------
        network : callable
            Turns a padded batch into layers.
        counts : callable
            Its numbers of frames.
        wavs : Tensor
            Clips, [B, S].
        samples : Tensor
            Valid samples, [B] int64.
        """
        lengths = self.parts(samples).lengths()
        heard = [part for wav, row in zip(wavs, lengths, strict=True) for part in wav[: sum(row)].split(row)]
        sizes = torch.tensor([len(part) for part in heard])
        frames = counts(sizes)
        layers = network(pad_sequence(heard, batch_first=True), sizes.to(wavs.device), frames)
        alone = [part[:, :count] for part, count in zip(layers.unbind(1), frames.tolist(), strict=True)]
        places = torch.arange(len(alone)).split(list(map(len, lengths)))
        joined = [torch.cat([alone[place] for place in row], 1).transpose(0, 1) for row in places]
        return pad_sequence(joined, batch_first=True).permute(2, 0, 1, 3)
