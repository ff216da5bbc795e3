"""Turns the channels of a recording into the one waveform that everything else uses.

The first 30 seconds decide (for a clip passed in memory, all of it; of more than eight channels at 48 kHz, or as many
values a second, as much as has the values of these). **Which channel**: a video's centre channel if its
layout has one, otherwise the mean; if the channels cancel, as in stereo with one side inverted, the loudest. **Which
offset**: a recorder's constant offset (its mean) is removed, rounded to whole 16-bit steps. So 16-bit samples stay
16-bit samples, samples without an offset keep every bit, and removing it again changes nothing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from speechbrain_xser.data.waveform import HEAD_SECONDS, PART_SAMPLES, offset_of
from speechbrain_xser.errors import AudioError

logger = logging.getLogger(__name__)

CENTRE = "FC"  # FFmpeg's name for the front centre, also for a mono track
HEAD_VALUES = round(HEAD_SECONDS * 48000 * 8)  # of all channels, held before the first sample is yielded: 46 MB
CANCELLED = 0.1  # relative to the power of the mean of unrelated channels; -10 dB


class Track(NamedTuple):
    """Sound as stored in a file."""

    samples: Tensor  # [S, C], float32, full scale is 1
    sample_rate: int  # hertz
    channels: tuple[str, ...]  # [C], FFmpeg's names: FL, FR, FC, LFE, ...; NONE if the file does not say


class Voice(NamedTuple):
    """Sound as one channel."""

    samples: Tensor  # [S], float32, full scale is 1
    sample_rate: int  # hertz


def mixed(blocks: Iterable[Track], name: str | os.PathLike, keep_offset: bool = False) -> Iterator[Voice]:
    """Yields one channel without an offset, block by block.

    Arguments
    ---------
    blocks : iterable of Track
        Blocks of one recording, in order; may end in an ``AudioError``.
    name : str or path-like
        Its name in a warning.
    keep_offset : bool
        Whether to keep the offset.

    Yields
    ------
    Voice
        As long as its block; all of them come before the blocks' error.

    Example
    -------
    >>> inverted = 0.25 + 0.5 * torch.tensor([[1.0, -1.0], [-1.0, 1.0]])  # an offset, too
    >>> [voice] = mixed([Track(inverted, 8000, ("FL", "FR"))], "a.wav")
    >>> voice.samples
    tensor([ 0.5000, -0.5000])
    """
    blocks, fault = iter(blocks), None
    head, seconds, values = [], 0.0, 0
    try:
        for block in blocks:
            head.append(block)
            seconds += len(block.samples) / block.sample_rate
            values += block.samples.numel()
            if seconds >= HEAD_SECONDS or values >= HEAD_VALUES:
                break
    except AudioError as error:
        fault = error
    if head:
        channel = _channel(head, name)
        heard = [_chosen(block, channel) for block in head]
        rate = head[0].sample_rate
        head.clear()
        offset = 0.0 if keep_offset else offset_of(torch.cat(heard), rate)
        while heard:
            yield Voice(heard.pop(0) - offset, rate)
        for block in blocks if fault is None else ():
            yield Voice(_chosen(block, channel) - offset, block.sample_rate)
    if fault is not None:
        raise fault


def _chosen(block: Track, channel: int | None) -> Tensor:
    """A channel, or the mean, [S]; a copy, because a view would keep all channels in memory."""
    return block.samples.mean(dim=1) if channel is None else block.samples[:, channel].clone()


def _channel(head: list[Track], name: str | os.PathLike) -> int | None:
    """The channel to use, None for the mean."""
    names, width = head[0].channels, head[0].samples.shape[1]
    if width == 1 or CENTRE in names:
        return names.index(CENTRE) if CENTRE in names else 0
    return loudest_if_cancelled([block.samples for block in head], name)


def loudest_if_cancelled(blocks: Sequence[Tensor], name: str | os.PathLike) -> int | None:
    """The channel of blocks [S, C] to use if the mean of all cancels, with a warning; otherwise None.

    Example
    -------
    >>> side = torch.tensor([0.1, -0.2, 0.3, -0.2])
    >>> loudest_if_cancelled([torch.stack([side, -1.2 * side], 1)], "a.wav")
    1
    >>> loudest_if_cancelled([side[:, None]], "a.wav")
    """
    width = blocks[0].shape[1]
    parts = [part.cpu() for block in blocks for part in block.split(max(1, PART_SAMPLES // width))]
    count = sum(map(len, parts))
    means = sum(part.double().sum(dim=0) for part in parts) / count
    powers = sum((part.double() - means).square().sum(dim=0) for part in parts) / count
    mixed_power = sum((part.double() - means).mean(dim=1).square().sum() for part in parts) / count
    if not mixed_power < CANCELLED * powers.mean() / width:
        return None
    channel = int(powers.argmax())
    logger.warning(
        "%s: its %d channels cancel each other out, as stereo with one side inverted does; channel %d is used.",
        *(name, width, channel + 1),
    )
    return channel
