"""From the channels of a recording to the one waveform that everything else hears.

The first 30 seconds decide, for a clip that a model takes at once all of it. **Which channel**: a film's centre, where
its layout names one; else the mean; but where the mean cancels, as of stereo with one side inverted, the loudest.
**What offset**: a recorder's constant offset (its mean) is taken out, rounded to whole steps of 16 bits. So 16-bit
samples stay 16-bit samples, what has no offset keeps every bit, and taking it out again changes nothing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor

from speechbrain_xser.data.waveform import HEAD_SECONDS, offset_of
from speechbrain_xser.errors import AudioError

logger = logging.getLogger(__name__)

CENTRE = "FC"  # FFmpeg's name of the front centre; a mono track is called so too
CANCELLED = 0.1  # of the power that the mean of unrelated channels has; -10 dB


class Track(NamedTuple):
    """Sound as it was stored."""

    samples: Tensor  # [S, C], float32, full scale is 1
    sample_rate: int  # hertz
    channels: tuple[str, ...]  # [C], FFmpeg's names: FL, FR, FC, LFE, ...; NONE where the file does not say


class Voice(NamedTuple):
    """What is heard of it."""

    samples: Tensor  # [S], float32, full scale is 1
    sample_rate: int  # hertz


def mixed(blocks: Iterable[Track], name: str | os.PathLike, keep_offset: bool = False) -> Iterator[Voice]:
    """One channel without an offset, block by block.

    Arguments
    ---------
    blocks : iterable of Track
        Of one recording, in order; may end in an ``AudioError``.
    name : str or path-like
        Names it in a warning.
    keep_offset : bool
        Whether the offset stays in.

    Yields
    ------
    Voice
        As long as the blocks, all of them before their error.

    Example
    -------
    >>> inverted = 0.25 + 0.5 * torch.tensor([[1.0, -1.0], [-1.0, 1.0]])  # an offset, too
    >>> [voice] = mixed([Track(inverted, 8000, ("FL", "FR"))], "a.wav")
    >>> voice.samples
    tensor([ 0.5000, -0.5000])
    """
    blocks, fault = iter(blocks), None
    head, seconds = [], 0.0
    try:
        for block in blocks:
            head.append(block)
            seconds += len(block.samples) / block.sample_rate
            if seconds >= HEAD_SECONDS:
                break
    except AudioError as error:
        fault = error
    if head:
        channel = _channel(head, name)
        heard = torch.cat([_chosen(block, channel) for block in head])
        offset = 0.0 if keep_offset else offset_of(heard, head[0].sample_rate)
        for block in chain(head, blocks if fault is None else ()):
            yield Voice(_chosen(block, channel) - offset, block.sample_rate)
    if fault is not None:
        raise fault


def _chosen(block: Track, channel: int | None) -> Tensor:
    """A channel, or the mean, [S]; a copy, since a view would hold all channels."""
    return block.samples.mean(dim=1) if channel is None else block.samples[:, channel].clone()


def _channel(head: list[Track], name: str | os.PathLike) -> int | None:
    """The channel that is taken, None for the mean."""
    names, width = head[0].channels, head[0].samples.shape[1]
    if width == 1 or CENTRE in names:
        return names.index(CENTRE) if CENTRE in names else 0
    return loudest_if_cancelled(torch.cat([block.samples for block in head]), name)


def loudest_if_cancelled(samples: Tensor, name: str | os.PathLike) -> int | None:
    """The channel to take where the mean of all cancels; None where the mean is as loud as it should be.

    Arguments
    ---------
    samples : Tensor
        Channels, [S, C].
    name : str or path-like
        Names the sound in a warning.

    Returns
    -------
    int or None

    Example
    -------
    >>> side = torch.tensor([0.1, -0.2, 0.3, -0.2])
    >>> loudest_if_cancelled(torch.stack([side, -1.2 * side], 1), "a.wav"), loudest_if_cancelled(side[:, None], "a.wav")
    (1, None)
    """
    width = samples.shape[1]
    samples = samples.cpu().double()
    samples = samples - samples.mean(dim=0)
    powers = samples.square().mean(dim=0)
    if not samples.mean(dim=1).square().mean() < CANCELLED * powers.mean() / width:
        return None
    channel = int(powers.argmax())
    logger.warning(
        "%s: its %d channels cancel each other out, as stereo with one side inverted does; channel %d is used.",
        *(name, width, channel + 1),
    )
    return channel
