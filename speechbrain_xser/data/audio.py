"""Reads sound files as mono float waveforms at one sample rate, or raises an error that names the file.

The content of a file decides what it is. libsndfile reads wav, flac, ogg, opus, aiff, caf, au and w64, and a segment of
one is read alone. FFmpeg reads all others (:mod:`speechbrain_xser.data.video`), decoding from the file's start, and
those of the former that libsndfile would not read to their end: chained Ogg, a WAV that states no size. A clip may also
be in an archive (:mod:`speechbrain_xser.data.member`). Reading is strict: a file that lacks a single promised sample is
refused.

**Memory** does not depend on what a header says. Rate and channels are bounded before anything is decoded. Sound is
decoded in blocks of at most a million values, made mono and resampled as it arrives, and counted there: an hour of 16
kHz at most is held (:func:`load_audio`), twice 64 kB for each of its seconds. Beside it are the first 30 seconds of all
channels, at most 46 MB, and about 100 MB for the decoder, the filter and blocks that wait.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import soundfile
import torch
from torch import Tensor

from speechbrain_xser.data.formats import HEAD_BYTES, kind_of
from speechbrain_xser.data.joined import second_beginning
from speechbrain_xser.data.member import member_of, opened, read_member
from speechbrain_xser.data.mixing import Track, Voice, mixed
from speechbrain_xser.data.resampler import Resampler
from speechbrain_xser.data.spool import regular_file
from speechbrain_xser.data.truncation import ends_early, is_chained, missing_bytes, states_no_size
from speechbrain_xser.data.video import limited, not_audio, stated_seconds, stream_track, track_header
from speechbrain_xser.data.waveform import (
    LONGEST_SECONDS,
    SAMPLE_RATE,
    check_format,
    check_seconds,
    check_wave,
    resampled,
)
from speechbrain_xser.errors import AudioError

logger = logging.getLogger(__name__)

MAX_EXCESS_SECONDS = 0.01  # how far a segment may extend beyond the file: manifests round their times
UNKNOWN_FRAMES = 2**63 - 1  # what libsndfile reports for a FLAC stream whose header leaves the length open
READ_ONLY = os.O_RDONLY | getattr(os, "O_BINARY", 0)
BLOCK_SECONDS, BLOCK_VALUES = 5.0, 1 << 20  # that are decoded at once; values of all channels
PIECE_SECONDS = 30.0  # a clip of at most this length is resampled as a whole


def load_audio(
    path: str | os.PathLike,
    start: float | None = None,
    stop: float | None = None,
    sample_rate: int = SAMPLE_RATE,
    max_seconds: float | None = None,
    track: int | None = None,
    keep_offset: bool = False,
) -> Tensor:
    """Reads a file or a segment of it as one channel without an offset, resampled to the wanted rate.

    Arguments
    ---------
    path : str or path-like
        A sound file, a video, or a pipe that delivers one.
    start : float or None
        Start of the segment in seconds, None for the file's start.
    stop : float or None
        End of the segment in seconds, None for the file's end.
    sample_rate : int
        Wanted samples per second.
    max_seconds : float or None
        Longest segment; checked by the file's stated length before reading, and while reading. None for an hour.
    track : int or None
        Audio track of a video, counted from 1; None for its default track, or else the first.
    keep_offset : bool
        Whether to keep a constant offset; for copies, which are read again later.

    Returns
    -------
    Tensor
        Waveform, [S], float32, full scale 1, finite. The mean of the channels (the centre channel of a video; the
        loudest if they cancel), minus its mean in whole 16-bit steps (:mod:`speechbrain_xser.data.mixing`).

    Raises
    ------
    AudioError
        If the file is missing, empty, not audio, truncated or too long, has no such segment or track, contains NaN, Inf
        or absurd values, or has a rate without a manageable ratio to the wanted one.

    Example
    -------
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "second.wav")
    >>> soundfile.write(path, torch.zeros(8000, 2).numpy(), 8000)
    >>> load_audio(path).shape, load_audio(path, start=0.25, stop=0.5).shape
    (torch.Size([16000]), torch.Size([4000]))
    """
    max_seconds = LONGEST_SECONDS if max_seconds is None else max_seconds
    return torch.cat(list(stream_audio(path, start, stop, sample_rate, max_seconds, track, keep_offset)))


def stream_audio(
    path: str | os.PathLike,
    start: float | None = None,
    stop: float | None = None,
    sample_rate: int = SAMPLE_RATE,
    max_seconds: float | None = None,
    track: int | None = None,
    keep_offset: bool = False,
) -> Iterator[Tensor]:
    """Yields the samples of :func:`load_audio` in pieces of about 30 seconds, for a recording of any length.

    Arguments, errors and samples are those of :func:`load_audio`, except that ``max_seconds`` None means any length.

    Example
    -------
    >>> path = getfixture("tmp_path") / "minute.wav"
    >>> soundfile.write(path, torch.zeros(480000).numpy(), 8000)
    >>> sum(map(len, stream_audio(path)))
    960000
    """
    with regular_file(path) as file:
        pieces = joined(stream_voice(file, start, stop, max_seconds, track, keep_offset), PIECE_SECONDS)
        first, second = next(pieces, Voice(torch.zeros(0), sample_rate)), next(pieces, None)
        check_wave(first.samples, path)
        if second is None:
            yield resampled(first.samples, first.sample_rate, sample_rate, path)
            return
        resampler = Resampler(first.sample_rate, sample_rate, path)
        yield resampler.push(first.samples)
        for piece in chain([second], pieces):
            yield resampler.push(check_wave(piece.samples, path))
        yield resampler.flush()


def joined(voices: Iterable[Voice], seconds: float) -> Iterator[Voice]:
    """Joins blocks to pieces of at least some seconds; all of them come before the blocks' ``AudioError``.

    Example
    -------
    >>> blocks = [Voice(torch.zeros(600), 1000)] * 5
    >>> [len(piece.samples) for piece in joined(blocks, seconds=1.0)]
    [1200, 1200, 600]
    """
    held, samples, rate, fault = [], 0, 0, None
    try:
        for block, rate in voices:
            held.append(block)
            samples += len(block)
            if samples >= seconds * rate:
                yield Voice(torch.cat(held), rate)
                held, samples = [], 0
    except AudioError as error:
        fault = error
    if held:
        yield Voice(torch.cat(held), rate)
    if fault is not None:
        raise fault


def stream_voice(
    path: str | os.PathLike,
    start: float | None = None,
    stop: float | None = None,
    max_seconds: float | None = None,
    track: int | None = None,
    keep_offset: bool = False,
) -> Iterator[Voice]:
    """Yields the samples of :func:`load_audio` at the file's own rate, in blocks of a few seconds; None for any length.

    Pipes are not accepted. If the end of the file is missing, the error comes after the samples that are there.
    """
    yield from mixed(_blocks(path, start, stop, max_seconds, track), path, keep_offset)


def seconds_of(path: str | os.PathLike, max_seconds: float | None = None) -> float:
    """Length of a file in seconds, by its header, or counted up to ``max_seconds`` if that states none.

    Raises
    ------
    AudioError
        If the header cannot be read, or if more than ``max_seconds`` were counted.
    """
    return read_header(path, max_seconds=max_seconds).seconds


class Header(NamedTuple):
    """What a file states about itself."""

    seconds: float
    sample_rate: int  # hertz
    channels: int


def read_header(path: str | os.PathLike, track: int | None = None, max_seconds: float | None = None) -> Header:
    """Length, rate and channels of a file (not a pipe), without decoding if the header states them.

    A length that is not stated is counted; more than ``max_seconds`` of it raise an ``AudioError``.
    """
    check_whole(path)
    file = _open(path)
    if file is None:
        return Header(*track_header(path, track, max_seconds))
    with file:
        return Header(_stated_frames(file, path) / file.samplerate, file.samplerate, file.channels)


def stated_length(path: str | os.PathLike, track: int | None = None) -> float | None:
    """Length of a file in seconds, whole or not; None if only decoding would tell (a browser's webm)."""
    file = _open(path)
    if file is None:
        return stated_seconds(path, track)
    with file:
        return _stated_frames(file, path) / file.samplerate


def check_whole(path: str | os.PathLike) -> None:
    """Raises an ``AudioError`` if bytes are missing that the file promises, as far as it shows without decoding."""
    with opened(path) as file:
        missing, early = missing_bytes(file), ends_early(file)
    if missing:
        raise AudioError(f"{path}: truncated; its header states {missing} more bytes. Download it again.")
    if early:
        raise AudioError(f"{path}: truncated; its last page is missing. Download it again.")


def _open(path: str | os.PathLike) -> soundfile.SoundFile | None:
    """The file opened by libsndfile, or None if FFmpeg has to read it."""
    with opened(path) as file:
        kind = kind_of(file.read(HEAD_BYTES))
        if kind is None or not kind.seekable or is_chained(file) or states_no_size(file):
            return None
    member = member_of(path)
    try:  # by its descriptor, since libsndfile goes by the name where the content says nothing, and has mpg123 print
        sound = soundfile.SoundFile(os.open(path, READ_ONLY) if member is None else read_member(member))
    except soundfile.SoundFileError:  # FLAC in Ogg, or a codec in WAV that it does not know: FFmpeg may read it
        return None
    try:
        check_format(sound.samplerate, sound.channels, path)
    except AudioError:
        sound.close()
        raise
    return sound


def _blocks(path, start, stop, max_seconds, track) -> Iterator[Track]:
    """All channels of a segment, from one of the two decoders; an incomplete file raises after its samples."""
    file, fault = _open(path), None
    try:
        if file is None:
            yield from _from_start(path, start, stop, max_seconds, track)
        else:
            with file:
                yield from _sought(file, path, start, stop, max_seconds, track)
    except AudioError as error:
        fault = error
    check_whole(path)
    if fault is not None:
        raise fault
    if start is None and stop is None:
        _tell_second_file(path)


def _tell_second_file(path: str | os.PathLike) -> None:
    """Warns about another file appended to this one, before which the decoder stops."""
    with opened(path) as file:
        place = second_beginning(file)
    if place is not None:
        logger.warning(
            "%s: another file starts at byte %d and is not read. Join sound files with an audio editor.", path, place
        )


def _sought(file: soundfile.SoundFile, path, start, stop, max_seconds, track) -> Iterator[Track]:
    """A segment as libsndfile reads it."""
    if track not in (None, 1):
        raise AudioError(f"{path}: no sound track {track}, expected 1: files of this type have only one.")
    first, last = _segment(_stated_frames(file, path), file.samplerate, path, start, stop)
    check_seconds((last - first) / file.samplerate, max_seconds, path)
    block, left = min(round(BLOCK_SECONDS * file.samplerate), BLOCK_VALUES // file.channels), last - first
    try:
        _skip(file, first)
        while left and len(samples := file.read(min(left, block), dtype="float32", always_2d=True)):
            left -= len(samples)
            yield Track(torch.from_numpy(samples), file.samplerate, ("NONE",) * file.channels)
    except soundfile.SoundFileError as error:
        raise not_audio(path, str(error).rsplit(": ", 1)[-1]) from error
    if left:
        found = last - first - left
        raise AudioError(f"{path}: truncated, {found} of {last - first} samples are there. Download it again.")


def _skip(file: soundfile.SoundFile, frames: int) -> None:
    """Moves to a frame; GSM cannot be sought in, so it is read up to there."""
    if file.seekable():
        file.seek(frames)
        return
    while frames and (read := len(file.read(min(frames, file.samplerate)))):
        frames -= read


def _from_start(path, start, stop, max_seconds, track) -> Iterator[Track]:
    """A segment as FFmpeg reads it: everything is decoded, and what is outside the segment is dropped."""
    if start is None and stop is None:
        yield from stream_track(path, max_seconds, track)
        return
    yield from limited(_within(stream_track(path, track=track), path, start, stop), max_seconds, path)


def _within(blocks: Iterator[Track], path, start: float | None, stop: float | None) -> Iterator[Track]:
    """The part of the blocks that is inside a segment; an error at the end if the file does not contain it."""
    samples, rate = 0, 1
    for block in blocks:
        rate = block.sample_rate
        first, last = (
            None if time is None or not math.isfinite(time) else round(time * rate) for time in (start, stop)
        )
        part = block.samples[max(0, (first or 0) - samples) : None if last is None else max(0, last - samples)]
        samples += len(block.samples)
        if len(part):
            yield block._replace(samples=part)
    _segment(samples, rate, path, start, stop)


def _stated_frames(file: soundfile.SoundFile, path: str | os.PathLike) -> int:
    """The number of frames in the header; without one, nothing shows whether the file is whole."""
    if file.frames == UNKNOWN_FRAMES:
        raise AudioError(f"{path}: its header does not state its length, expected a whole file. Encode it again.")
    return file.frames


def _segment(frames: int, rate: int, path, start: float | None, stop: float | None) -> tuple[int, int]:
    """First and last sample of a segment, checked to be inside the file."""
    seconds = frames / rate
    first, last = start or 0.0, seconds if stop is None else stop
    inside = math.isfinite(first) and 0 <= first < last <= seconds + MAX_EXCESS_SECONDS
    if (start is not None or stop is not None) and not inside:
        raise AudioError(
            f"{path}: segment {first:g} to {last:g} s, expected 0 <= start < stop <= {seconds:.3f} s, the file's "
            "length. Check the manifest."
        )
    return round(first * rate), min(round(last * rate), frames)
