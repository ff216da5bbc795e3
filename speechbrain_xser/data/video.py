"""The sound of mp4, m4a, webm and other containers, through PyAV, which brings FFmpeg's libraries with it.

A film's six channels are not averaged: speech is mixed to the centre, noise and music to the others, so the centre is
taken wherever the container's own layout names one. The file is decoded from its start to its end, a block at a time;
what ends earlier than its container states is refused (a browser's webm states nothing). Only the containers below are
opened: a playlist, which FFmpeg would follow to other files, is not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import av
import torch
from torch import Tensor

from speechbrain_xser.errors import AudioError

VIDEO_SUFFIXES = (".mp4", ".m4a", ".m4v", ".mov", ".webm", ".mkv", ".mka", ".avi", ".aac")
DEMUXERS = ("mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "aac", "wav")  # FFmpeg's names
CENTRE = "FC"  # FFmpeg's name of the front centre; a mono track is called so too
MAX_MISSING_SECONDS = 0.25  # an encoder's lead-in and last block are not always in what a container states


class Track(NamedTuple):
    """A sound track as it was stored."""

    samples: Tensor  # [S, C], float32, full scale is 1
    sample_rate: int  # hertz
    channels: tuple[str, ...]  # [C], FFmpeg's names: FL, FR, FC, LFE, ...; NONE where the file does not say


class Voice(NamedTuple):
    """The speech of a sound track."""

    samples: Tensor  # [S], float32, full scale is 1
    sample_rate: int  # hertz


def load_track(path: str | os.PathLike, max_seconds: float | None = None) -> Track:
    """Reads every channel of a file's first sound track.

    Arguments
    ---------
    path : str or path-like
        A file of one of ``VIDEO_SUFFIXES``; what it is is read from its content, not from its name.
    max_seconds : float or None
        Longest track; decoding stops there. None for any.

    Returns
    -------
    Track

    Raises
    ------
    AudioError
        If the file is missing, empty, of another kind, damaged, truncated, silent film, or too long.

    Example
    -------
    >>> import soundfile
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, torch.tensor([[0.5, -0.5]]).repeat(800, 1).numpy(), 8000)
    >>> track = load_track(path)
    >>> track.samples.mean(0), track.samples.shape, track.sample_rate
    (tensor([ 0.5000, -0.5000]), torch.Size([800, 2]), 8000)
    """
    blocks = list(stream_track(path, max_seconds))
    return Track(torch.cat([block.samples for block in blocks]), *blocks[0][1:])


def load_voice(path: str | os.PathLike, max_seconds: float | None = None) -> Voice:
    """Reads the channel that carries speech, without holding the others.

    Arguments
    ---------
    path, max_seconds
        As for :func:`load_track`.

    Returns
    -------
    Voice
        The centre where there is one, else the channels' mean.

    Raises
    ------
    AudioError
        As :func:`load_track`.

    Example
    -------
    >>> import soundfile
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, torch.tensor([[0.5, -0.5]]).repeat(800, 1).numpy(), 8000)
    >>> load_voice(path).samples.abs().max()
    tensor(0.)
    """
    blocks = [Voice(centre(block), block.sample_rate) for block in stream_track(path, max_seconds)]
    return Voice(torch.cat([block.samples for block in blocks]), blocks[0].sample_rate)


def track_header(path: str | os.PathLike) -> tuple[float, int, int]:
    """Length, rate and channels of a file's first sound track.

    Arguments
    ---------
    path : str or path-like
        As for :func:`load_track`.

    Returns
    -------
    tuple of (float, int, int)
        Seconds, hertz, channels. What states no length (a browser's webm, aac) is decoded to be counted.

    Raises
    ------
    AudioError
        As :func:`load_track`.

    Example
    -------
    >>> import soundfile
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, torch.zeros(4000, 2).numpy(), 8000)
    >>> track_header(path)
    (0.5, 8000, 2)
    """
    with _readable(path) as container:
        stream = container.streams.audio[0]
        seconds, rate, channels = _stated_seconds(container, stream), stream.rate, stream.channels
    return seconds or sum(len(block.samples) for block in stream_track(path)) / rate, rate, channels


def centre(track: Track) -> Tensor:
    """The channel in which films have their speech.

    Arguments
    ---------
    track : Track
        Any number of channels.

    Returns
    -------
    Tensor
        [S]; the front centre if the layout names one (5.1 and 7.1 do), else the mean of all channels.

    Example
    -------
    >>> samples = torch.eye(3)
    >>> centre(Track(samples, 48000, ("FL", "FR", "FC"))), centre(Track(samples[:, :2], 48000, ("FL", "FR")))
    (tensor([0., 0., 1.]), tensor([0.5000, 0.5000, 0.0000]))
    """
    if CENTRE in track.channels:
        return track.samples[:, track.channels.index(CENTRE)].clone()  # a view would hold all channels
    return track.samples.mean(dim=1)


def stream_track(path: str | os.PathLike, max_seconds: float | None = None) -> Iterator[Track]:
    """Reads a file's first sound track block by block, in flat memory.

    Arguments
    ---------
    path, max_seconds
        As for :func:`load_track`.

    Yields
    ------
    Track
        Some milliseconds each; all of the track, or an error after what is there.

    Raises
    ------
    AudioError
        As :func:`load_track`.

    Example
    -------
    >>> import soundfile
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, torch.zeros(8000, 2).numpy(), 8000)
    >>> sum(len(block.samples) for block in stream_track(path))
    8000
    """
    with _readable(path) as container:
        yield from _decoded(container, path, max_seconds)


def stated_seconds(path: str | os.PathLike) -> float | None:
    """Length of a file's first sound track by its header alone.

    Arguments
    ---------
    path : str or path-like
        As for :func:`load_track`.

    Returns
    -------
    float or None
        Seconds; None where the file states nothing (a browser's webm, aac).

    Raises
    ------
    AudioError
        As :func:`load_track`.

    Example
    -------
    >>> import soundfile
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, torch.zeros(4000).numpy(), 8000)
    >>> stated_seconds(path)
    0.5
    """
    with _readable(path) as container:
        return _stated_seconds(container, container.streams.audio[0]) or None


@contextmanager
def _readable(path: str | os.PathLike):
    """The container, if it holds sound; what goes wrong in it is told by the file's name."""
    _check_there(path)
    try:
        with _opened(path) as container:
            if not container.streams.audio:
                raise AudioError(f"{path}: holds no sound, expected a sound track. Fetch it again or leave it out.")
            yield container
    except (av.FFmpegError, ValueError, EOFError) as error:
        if isinstance(error, AudioError):
            raise
        raise AudioError(
            f"{path}: cannot be decoded ({getattr(error, 'strerror', None) or error}); it is damaged, truncated or of "
            f"another kind. Expected {', '.join(VIDEO_SUFFIXES)}: fetch it again or convert it."
        ) from error


def _decoded(container, path: str | os.PathLike, max_seconds: float | None) -> Iterator[Track]:
    """The first track's blocks, counted against what the container states and what is allowed."""
    stream, seconds, names = container.streams.audio[0], 0.0, ()
    planar = av.AudioResampler(format="fltp")  # the same rate and layout; an error where they change on the way
    for frame in (block for coded in container.decode(stream) for block in planar.resample(coded)):
        seconds += frame.samples / frame.sample_rate
        if max_seconds is not None and seconds > max_seconds:
            raise AudioError(f"{path}: longer than {max_seconds:g} s. Cut it into shorter clips, or raise max_seconds.")
        names = names or tuple(channel.name for channel in frame.layout.channels)
        yield Track(torch.from_numpy(frame.to_ndarray()).T, frame.sample_rate, names)
    stated = _stated_seconds(container, stream)
    if seconds == 0 or seconds < stated - MAX_MISSING_SECONDS:
        raise AudioError(f"{path}: truncated, {seconds:.2f} of {stated:.2f} s of sound are there. Fetch it again.")


def _stated_seconds(container, stream) -> float:
    """What the header says of the track's length, 0 where it says nothing: what is estimated is no promise."""
    if container.format.name == "aac":  # FFmpeg estimates it from the bit rate
        return 0.0
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    hours, minutes, seconds = stream.metadata.get("DURATION", "0:0:0").split(":")  # a tag of Matroska's and webm's
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


def _opened(path: str | os.PathLike):
    """The container; neither a network address nor another file can be reached through it."""
    options = {"format_whitelist": ",".join(DEMUXERS), "protocol_whitelist": "file"}
    return av.open(f"file:{os.fspath(path)}", options=options)


def _check_there(path: str | os.PathLike) -> None:
    if not os.path.isfile(path):
        found = "a folder" if os.path.isdir(path) else "no such file"
        raise AudioError(f"{path}: {found}, expected a file with a sound track. Check the path.")
    if os.path.getsize(path) == 0:
        raise AudioError(f"{path}: 0 bytes, expected a file with a sound track. Fetch it again.")
