"""What a speech encoder returns, and the interface that a replacement for ours must implement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from speechbrain_xser.errors import SettingsError
from speechbrain_xser.utils.lengths import valid_mask

LEVEL_FLOOR_DB = -100.0


class Speech(NamedTuple):
    """The waveforms of a batch, for a lobe that reads them directly.

    Example
    -------
    >>> Speech(torch.zeros(1, 16000), torch.tensor([16000]), ["Good morning."]).words
    ['Good morning.']
    """

    wavs: Tensor  # [B, S]
    samples: Tensor  # [B] int64, valid samples
    words: Sequence[str | None] | None = None  # B texts that a recogniser wrote earlier; None for other clips


class LayerStates(NamedTuple):
    """Hidden states of a padded batch: ``n`` layers, one after another, in one buffer.

    Example
    -------
    >>> LayerStates(torch.zeros(3, 2, 5, 8), torch.tensor([5, 2]), torch.tensor([-20.0, -30.0])).layers.shape[0]
    3
    """

    layers: Tensor  # [n, B, T, d], before the encoder's final layer norm; arbitrary at padding
    frames: Tensor  # [B] int64, valid frames; on the device of the sample counts
    level: Tensor  # [B] float32, RMS of the valid samples in dB re full scale, before any normalisation
    speech: Speech | None = None  # the model adds it; an encoder need not


@runtime_checkable
class SpeechEncoder(Protocol):
    """What the branches need from an encoder; any ``nn.Module`` with these members can replace ``FrozenEncoder``.

    Nothing else is used. The encoder decides whether it is frozen: a trainable one is an ordinary module with
    gradients, a frozen one overrides ``train()`` as ours does. An encoder with a single output has ``layer_count`` 1
    and returns ``output[None]`` as ``layers``; :func:`level_db` gives ``level``. An encoder that accepts only clips up
    to some length has an attribute ``max_seconds`` too, which :func:`check_max_seconds` reads.

    Example
    -------
    >>> class Framer(torch.nn.Module):
    ...     layer_count, width, sample_rate, frame_rate = 1, 160, 16000, 100.0
    ...     def frame_counts(self, samples):
    ...         return (samples // self.width).clamp(min=1)
    ...     def forward(self, wavs, samples):
    ...         return LayerStates(wavs.unfold(1, 160, 160)[None], self.frame_counts(samples), level_db(wavs, samples))
    >>> isinstance(Framer(), SpeechEncoder)
    True
    >>> Framer()(torch.randn(2, 1600), torch.tensor([1600, 800])).frames
    tensor([10,  5])
    """

    layer_count: int  # n
    width: int  # d
    sample_rate: int  # of the waveforms that it takes, in Hz
    frame_rate: float  # frames a second

    def frame_counts(self, samples: Tensor) -> Tensor:
        """Valid frames of clips with that many samples.

        Arguments
        ---------
        samples : Tensor
            Sample counts, [B], int64.

        Returns
        -------
        Tensor
            Frame counts, [B], int64, at least 1.
        """
        ...

    def __call__(self, wavs: Tensor, samples: Tensor) -> LayerStates:
        """States of right-padded waveforms.

        Arguments
        ---------
        wavs : Tensor
            Waveforms, [B, S], float in -1..1.
        samples : Tensor
            Valid samples, [B], int64; on the CPU they cost no device synchronisation.

        Returns
        -------
        LayerStates
            ``layers`` [n, B, T, d], ``frames`` [B], ``level`` [B].
        """
        ...


def check_max_seconds(encoder: SpeechEncoder, max_seconds: float) -> None:
    """Refuses an encoder that cannot take clips of the required length, before the first clip is read.

    Arguments
    ---------
    encoder : SpeechEncoder
        Has an attribute ``max_seconds``, or none if it accepts clips of any length.
    max_seconds : float
        Longest clip of a run or of a trained model.

    Raises
    ------
    SettingsError
        If the encoder's limit is below that.

    Example
    -------
    >>> from types import SimpleNamespace
    >>> check_max_seconds(SimpleNamespace(), 3600.0)
    >>> check_max_seconds(SimpleNamespace(max_seconds=30.0), 45.0)
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.SettingsError: max_seconds is 45, but the encoder hears at most 30 s: give at most 30, or \
another encoder.
    """
    most = getattr(encoder, "max_seconds", math.inf)
    if max_seconds > most:
        told = f"max_seconds is {max_seconds:g}, but the encoder hears at most {most:g} s"
        raise SettingsError(f"{told}: give at most {most:g}, or another encoder.")


def level_db(wavs: Tensor, samples: Tensor) -> Tensor:
    """Root mean square of the valid samples in decibels re full scale: ``10 * log10(mean(wav**2))``.

    Arguments
    ---------
    wavs : Tensor
        Right-padded waveforms, [B, S].
    samples : Tensor
        Valid samples, [B], int64.

    Returns
    -------
    Tensor
        Level in dB, [B], float32, not below -100 (silence).

    Example
    -------
    >>> level_db(torch.tensor([[0.1, -0.1, 9.0], [0.0, 0.0, 0.0]]), torch.tensor([2, 3]))
    tensor([ -20., -100.])
    """
    samples = samples.to(wavs.device, non_blocking=True)
    valid = valid_mask(samples, wavs.shape[1])
    energy = torch.where(valid, wavs.float(), 0.0).square().sum(1)
    power = energy / samples.clamp(min=1)
    return 10 * torch.log10(power.clamp(min=10 ** (LEVEL_FLOOR_DB / 10)))
