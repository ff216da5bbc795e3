"""Turns sound in memory into float32 at the wanted rate, or raises an error that says in one line why it cannot.

A clip is samples [S]; [channels, S] or [S, channels], where the longer side is time and the channels are averaged; or a
pair of these and their rate, as ``torchaudio.load`` and ``soundfile.read`` return it. A batch is a padded array
[B, S] with SpeechBrain's relative lengths, or a list of clips of any lengths. A constant offset is removed, as it is
for files. Arrays are tensors (on any device, with or without gradients), numpy arrays (with any strides), or lists of
numbers; they hold floats of any precision, full scale 1.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from numbers import Real

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from speechbrain_xser.data.mixing import loudest_if_cancelled
from speechbrain_xser.data.waveform import (
    HEAD_SECONDS,
    SAMPLE_RATE,
    check_seconds,
    check_wave,
    resampled,
    without_offset,
)
from speechbrain_xser.errors import AudioError
from speechbrain_xser.utils.lengths import counts_from_relative

MAX_CHANNELS = 64
_EXPECTED = "which is not an array of numbers; expected samples as a tensor, an array, or a pair (samples, rate)"


def clip_of(
    sound: object,
    sampling_rate: int | None = None,
    sample_rate: int = SAMPLE_RATE,
    name: str | os.PathLike = "wav",
    max_seconds: float | None = None,
) -> Tensor:
    """Converts one clip to what the model takes.

    Arguments
    ---------
    sound : Tensor, array, list of float, or a pair of one of these and its rate
        [S], [channels, S] or [S, channels], floats in -1..1.
    sampling_rate : int or None
        Its samples per second; by default the pair's rate, or the wanted one.
    sample_rate : int
        The wanted samples per second.
    name : str or path-like
        Its name in messages.
    max_seconds : float or None
        Longest length, None for any.

    Returns
    -------
    Tensor
        [S'], float32, on its own device.

    Raises
    ------
    AudioError
        If it is not such a sound, its rate is invalid, or it is empty, not finite, absurdly loud or too long.

    Example
    -------
    >>> clip_of((torch.ones(2, 8000), 8000)).shape, clip_of(np.ones((4, 1))[::-1]).shape
    (torch.Size([16000]), torch.Size([4]))
    >>> clip_of(np.ones(9, "int16"), name="a clip")
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.AudioError: a clip is int16 of shape [9]; expected floats in -1..1. Divide int16 \
    samples, for example, by 32768.
    """
    sound, own = sound if _is_pair(sound) else (sound, None)
    rate = _rate(sampling_rate, own, sample_rate, name)
    wave = _mono(_floats(sound, name), name)
    check_seconds(len(wave) / rate, max_seconds, name)
    return resampled(without_offset(check_wave(wave, name), rate), rate, sample_rate, name)


def batch_of(
    sounds: object,
    wav_lens: object = None,
    sampling_rate: int | None = None,
    sample_rate: int = SAMPLE_RATE,
    max_seconds: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Converts several clips to a batch: [B, S'] float32, zero at padding, and their counts, [B] int64 on the CPU.

    ``sounds`` is [B, S] with relative lengths, a list of clips as for :func:`clip_of`, or one pair of sound and rate.

    Example
    -------
    >>> wavs, samples = batch_of([torch.tensor([0.5, -0.5]), np.array([0.5, -0.5, 0.5, -0.5])])
    >>> wavs.tolist(), samples.tolist()
    ([[0.5, -0.5, 0.0, 0.0], [0.5, -0.5, 0.5, -0.5]], [2, 4])
    """
    if _is_pair(sounds):
        sounds = [sounds]
    if isinstance(sounds, list | tuple):
        waves = _listed(sounds, wav_lens)
    else:
        waves = _rows(_floats(sounds, "wavs"), wav_lens)
    waves = [clip_of(wave, sampling_rate, sample_rate, f"row {row}", max_seconds) for row, wave in enumerate(waves)]
    if not waves:
        return torch.zeros(0, 0), torch.zeros(0, dtype=torch.int64)
    if len({wave.device for wave in waves}) > 1:
        waves = [wave.cpu() for wave in waves]
    return pad_sequence(waves, batch_first=True), torch.tensor([len(wave) for wave in waves])


def _listed(sounds: Sequence, wav_lens: object) -> Sequence:
    """Checks the clips of a list."""
    if wav_lens is not None:
        raise AudioError("wav_lens with a list of clips, which have their own lengths. Omit wav_lens.")
    if any(isinstance(sound, Real) for sound in sounds):
        raise AudioError(f"wavs is a list of {len(sounds)} numbers; expected clips. One clip is [clip].")
    return sounds


def _rows(wavs: Tensor, wav_lens: object) -> list[Tensor]:
    """The valid part of each row of a padded batch."""
    if wavs.dim() != 2:
        raise AudioError(
            f"wavs is {wavs.dtype} of shape {list(wavs.shape)}; expected floats [B, S], or a list of clips. "
            "One clip is wav[None]."
        )
    if 0 < wavs.shape[1] < len(wavs):
        raise AudioError(
            f"wavs has shape {list(wavs.shape)}: more clips than samples in each; expected [B, S]. Put one clip of "
            "[samples, channels] into a list, [wav]."
        )
    shares = torch.ones(len(wavs)) if wav_lens is None else _numbers(wav_lens, "wav_lens").cpu()
    if shares.shape != wavs.shape[:1]:
        raise AudioError(f"wav_lens has shape {list(shares.shape)}; expected one length per row, [{len(wavs)}]")
    for row, share in enumerate(shares.tolist()):
        if not 0 <= share <= 1:
            raise AudioError(f"row {row}: relative length {share:g}; expected above 0 and at most 1")
    counts = counts_from_relative(shares, wavs.shape[1])
    return [wav[:count] for wav, count in zip(wavs, counts.tolist(), strict=True)]


def _is_pair(sound: object) -> bool:
    """Whether it is a pair of a sound and its rate."""
    return isinstance(sound, tuple) and len(sound) == 2 and not _is_number(sound[0]) and _is_number(sound[1])


def _is_number(value: object) -> bool:
    return isinstance(value, Real) or (hasattr(value, "dtype") and getattr(value, "ndim", None) == 0)


def _floats(sound: object, name: str | os.PathLike) -> Tensor:
    """Samples in float32; numpy arrays are copied, so that strides and byte order are torch's."""
    sound = sound if isinstance(sound, Tensor) else _array(sound, name)
    floating = sound.is_floating_point() if isinstance(sound, Tensor) else sound.dtype.kind == "f"
    if not floating:
        raise AudioError(
            f"{name} is {sound.dtype} of shape {list(sound.shape)}; expected floats in -1..1. Divide int16 samples, "
            "for example, by 32768."
        )
    if isinstance(sound, Tensor):
        return _plain(sound, name).float()
    with np.errstate(over="ignore"):  # a value too large for float32 becomes infinite and is refused as such
        return torch.from_numpy(np.array(sound, dtype=np.float32, order="C"))


def _numbers(values: object, name: str) -> Tensor:
    """Any numbers, in float64."""
    if isinstance(values, Tensor):
        return _plain(values, name).double()
    array = _array(values, name)
    if array.dtype.kind not in "fiu":
        raise AudioError(f"{name} is {array.dtype} of shape {list(array.shape)}; expected numbers.")
    return torch.from_numpy(np.array(array, dtype=np.float64, order="C"))


def _plain(values: Tensor, name: str | os.PathLike) -> Tensor:
    if values.layout != torch.strided or values.is_meta:
        raise AudioError(f"{name} is a tensor of layout {values.layout} on {values.device}; expected a dense one.")
    return values.detach()


def _array(values: object, name: str | os.PathLike) -> np.ndarray:
    """The values as a numpy array."""
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise AudioError(f"{name} is {type(values).__name__}, {_EXPECTED} ({error}).") from error
    if array.dtype.kind not in "fiubc" or array.ndim == 0:
        raise AudioError(f"{name} is {type(values).__name__}, {_EXPECTED}. Pass files to explain_file.")
    return array


def _mono(wave: Tensor, name: str | os.PathLike) -> Tensor:
    """Averages the channels; the longer side is time."""
    if wave.dim() == 1 or wave.numel() == 0:
        return wave.flatten()
    channels = min(wave.shape)
    if wave.dim() != 2 or channels > MAX_CHANNELS or (channels > 1 and wave.shape[0] == wave.shape[1]):
        raise AudioError(f"{name}: shape {list(wave.shape)}; expected [S], or [C, S] or [S, C] with few channels.")
    samples = wave if wave.shape[1] < wave.shape[0] else wave.T  # [S, C]
    channel = loudest_if_cancelled([samples[: round(HEAD_SECONDS * SAMPLE_RATE)]], name)
    return samples.mean(dim=1) if channel is None else samples[:, channel].clone()


def _rate(given: object, own: object, usual: int, name: str | os.PathLike) -> int:
    """Samples per second of a sound, given by the argument or in its pair."""
    rates = [_hertz(rate, name) for rate in (given, own) if rate is not None]
    if len(set(rates)) > 1:
        raise AudioError(f"{name}: sampling_rate is {rates[0]}, but the sound has {rates[1]}. Pass one of them.")
    return rates[0] if rates else usual


def _hertz(rate: object, name: str | os.PathLike) -> int:
    value = rate.item() if _is_number(rate) and hasattr(rate, "item") else rate
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value) or value < 1 or value % 1:
        raise AudioError(f"{name}: sampling_rate is {rate!r}; expected whole hertz, for example 16000.")
    return int(value)
