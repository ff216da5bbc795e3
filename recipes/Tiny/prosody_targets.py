"""Prosody that is measured in a clip without labels: the targets of the tiny encoder's regression heads.

A speech encoder learns by predicting several signals (PASE+, Ravanelli et al., 2020). Per frame: the log spectrum with
resolved harmonics, the level, the voicing, and F0 as a distribution over bins (as CREPE, Kim et al., 2018: a mean over
frames is then a histogram, from which pitch and its spread can be read). Per clip: the library's prosody functionals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from speechbrain_xser.data.prosody import LOWEST_HERTZ, cepstral_functionals, pitch_track, prosody_functionals
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.utils.lengths import valid_mask

HOP = 320  # samples per frame of the encoder; check_convolutions compares it with hparams/encoder.yaml
RECEPTIVE_FIELD = 1600  # of the encoder's convolutions, in samples; likewise
WINDOW = 640  # of the spectrum
SPECTRUM_BINS = 96  # 0..2400 Hz, 25 Hz apart
PITCH_BINS, BINS_AN_OCTAVE = 60, 20  # from 60 Hz up
FRAME_TARGETS = SPECTRUM_BINS + 2 + PITCH_BINS
TRACK_HOP, TRACK_START = 2, 3  # a track has a value every 10 ms; the first whose window is centred on our first frame
LARGEST = 3.0  # standard deviations of a functional


def check_convolutions(kernels: Sequence[int], strides: Sequence[int]) -> None:
    """Refuses an encoder whose frames differ from those that the targets are made for.

    Example
    -------
    >>> check_convolutions([640, 3, 3], [160, 2, 1])
    >>> check_convolutions([640, 3], [160, 1])
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.SettingsError: conv_kernel and conv_stride make frames of 160 samples that see 960; \
    expected 320 and 1600, for which the targets are made
    """
    hop, field = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field, hop = field + (kernel - 1) * hop, hop * stride
    if (hop, field) != (HOP, RECEPTIVE_FIELD):
        raise SettingsError(
            f"conv_kernel and conv_stride make frames of {hop} samples that see {field}; expected {HOP} and "
            f"{RECEPTIVE_FIELD}, for which the targets are made"
        )


class ClipProsody(NamedTuple):
    """Prosody of one clip."""

    hertz: np.ndarray  # [T] float32, F0 at the encoder's frames, 0 where unvoiced
    functionals: np.ndarray  # [F] float32


def clip_prosody(wave: Tensor) -> ClipProsody:
    """F0 at the encoder's frames and functionals of the whole clip.

    Example
    -------
    >>> tone = torch.sin(2 * torch.pi * 200 * torch.arange(16000) / 16000)
    >>> found = clip_prosody(tone)
    >>> found.hertz.shape, round(float(np.median(found.hertz)))
    ((46,), 200)
    """
    track = pitch_track(wave)
    frames = max(1, (len(wave) - RECEPTIVE_FIELD) // HOP + 1)
    hertz = nn.functional.pad(track.hertz, (0, TRACK_START + TRACK_HOP * frames))
    numbers = {**prosody_functionals(wave, track=track), **cepstral_functionals(wave)}
    return ClipProsody(hertz[TRACK_START::TRACK_HOP][:frames].numpy(), np.fromiter(numbers.values(), dtype=np.float32))


class Standardiser(NamedTuple):
    """Standardises functionals over the training clips, and limits outliers."""

    mean: np.ndarray  # [F]
    deviation: np.ndarray  # [F]

    @classmethod
    def of(cls, functionals: list[np.ndarray]) -> Standardiser:
        """Computes mean and deviation from the training clips' functionals, [F] each."""
        stacked = np.stack(functionals)
        return cls(stacked.mean(0), stacked.std(0) + 1e-6)

    def __call__(self, functionals: np.ndarray) -> np.ndarray:
        """Standardised functionals, [F].

        Example
        -------
        >>> standardise = Standardiser.of([np.array([1.0, 5.0]), np.array([3.0, 5.0])])
        >>> standardise(np.array([3.0, 5.0])).round(3)
        array([1., 0.])
        """
        return ((functionals - self.mean) / self.deviation).clip(-LARGEST, LARGEST)


def spectra(wavs: Tensor, longest: int) -> Tensor:
    """Magnitudes of 40 ms around the centre of each of the encoder's frames, [B, T, WINDOW // 2 + 1]."""
    start = (RECEPTIVE_FIELD - WINDOW) // 2
    windows = nn.functional.pad(wavs[:, start:], (0, RECEPTIVE_FIELD)).unfold(1, WINDOW, HOP)[:, :longest]
    return torch.fft.rfft(windows * torch.hann_window(WINDOW)).abs()


def pitch_distribution(hertz: Tensor) -> Tensor:
    """A Gaussian of one bin's deviation around log F0, [..., PITCH_BINS], summing to one.

    Example
    -------
    >>> pitch_distribution(torch.tensor([60.0, 120.0])).argmax(-1)
    tensor([ 0, 20])
    """
    place = BINS_AN_OCTAVE * torch.log2(hertz.clamp(min=LOWEST_HERTZ) / LOWEST_HERTZ)
    distance = place.clamp(max=PITCH_BINS - 1)[..., None] - torch.arange(PITCH_BINS)
    return (-0.5 * distance.square()).softmax(-1)


class FrameLosses(NamedTuple):
    """Losses of the frame head, and how often its F0 is correct."""

    signals: Tensor  # [], squared error of spectrum, level and voicing
    pitch: Tensor  # [], nats per voiced frame
    pitch_right: Tensor  # [V] bool, for each voiced frame: within one bin


def frame_losses(predicted: Tensor, wavs: Tensor, hertz: Tensor, frames: Tensor) -> FrameLosses:
    """Compares the frame head with the signal.

    Arguments
    ---------
    predicted : Tensor
        [B, T, FRAME_TARGETS].
    wavs : Tensor
        [B, S].
    hertz : Tensor
        F0, [B, T], 0 where unvoiced.
    frames : Tensor
        Valid frames, [B], int64.
    """
    magnitudes = spectra(wavs, predicted.shape[1])
    level = magnitudes.square().mean(-1, keepdim=True).clamp(min=1e-6).log() / 5
    log_spectrum = magnitudes[..., :SPECTRUM_BINS].clamp(min=1e-3).log() / 3
    valid = valid_mask(frames, predicted.shape[1])
    voiced = (hertz > 0) & valid
    spectrum, loudness, voicing, pitch = predicted.split([SPECTRUM_BINS, 1, 1, PITCH_BINS], -1)
    error = (spectrum - log_spectrum).square().mean(-1, keepdim=True) + (loudness - level).square()
    error = error + (voicing - voiced[..., None].float()).square()
    target = pitch_distribution(hertz[voiced])
    right = (pitch[voiced].argmax(-1) - target.argmax(-1)).abs() <= 1
    nats = cross_entropy(pitch[voiced], target, reduction="sum") / voiced.sum().clamp(min=1)
    return FrameLosses(error[valid].mean(), nats, right)


def functional_loss(predicted: Tensor, functionals: Tensor, frames: Tensor) -> Tensor:
    """Mean squared error of the clip's functionals [B, F], predicted by each frame [B, T, F]; 1 is chance."""
    valid = valid_mask(frames, predicted.shape[1])
    return (predicted - functionals[:, None]).square()[valid].mean()
