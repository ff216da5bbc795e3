"""Sound files as mono float waveforms at one sample rate, or an error that names the file.

What a file is, its content decides. libsndfile reads wav, flac, ogg, opus, aiff, caf, au and w64, where a segment is
read alone. FFmpeg reads all others (:mod:`speechbrain_xser.data.video`), decoded from the file's start, and of the
former what libsndfile would not read to its end: chained Ogg, a WAV that states no size. A clip may also lie in an
archive (:mod:`speechbrain_xser.data.member`). The price of strictness: a file that lacks a single promised sample is
refused.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator
from typing import NamedTuple

import soundfile
import torch
from torch import Tensor

from speechbrain_xser.data.formats import HEAD_BYTES, kind_of
from speechbrain_xser.data.joined import second_beginning
from speechbrain_xser.data.member import member_of, opened, read_member
from speechbrain_xser.data.mixing import Track, Voice, mixed
from speechbrain_xser.data.spool import regular_file
from speechbrain_xser.data.truncation import ends_early, is_chained, missing_bytes, states_no_size
from speechbrain_xser.data.video import limited, not_audio, stated_seconds, stream_track, track_header
from speechbrain_xser.data.waveform import SAMPLE_RATE, check_seconds, check_wave, resampled
from speechbrain_xser.errors import AudioError

logger = logging.getLogger(__name__)

MAX_EXCESS_SECONDS = 0.01  # a segment may end this much after the file: manifests round their times
UNKNOWN_FRAMES = 2**63 - 1  # what libsndfile says of a FLAC stream whose header leaves the length open
BLOCK_SECONDS = 5.0


def load_audio(
    path: str | os.PathLike,
    start: float | None = None,
    stop: float | None = None,
    sample_rate: int = SAMPLE_RATE,
    max_seconds: float | None = None,
    track: int | None = None,
    keep_offset: bool = False,
) -> Tensor:
    """Reads a file or a segment of it: one channel without an offset, resampled if it has another rate.

    Arguments
    ---------
    path : str or path-like
        A sound file, a film, or a pipe that gives one.
    start : float or None
        Start of the segment in seconds, None for the file's start.
    stop : float or None
        End of the segment in seconds, None for the file's end.
    sample_rate : int
        Wanted samples a second.
    max_seconds : float or None
        Longest segment, checked before it is read by what the file states, and as its samples come; None for any.
    track : int or None
        Which sound track of a film, counted from 1; None for its default one, else the first.
    keep_offset : bool
        Whether a constant offset stays in: for copies, which are read again.

    Returns
    -------
    Tensor
        Waveform, [S], float32, full scale is 1, finite. The mean of the channels (the centre of a film; the loudest
        channel where they cancel), less its mean in whole steps of 16 bits (:mod:`speechbrain_xser.data.mixing`).

    Raises
    ------
    AudioError
        If the file is missing, empty, not audio, truncated, too long, has no such segment or track, holds NaN, Inf or
        absurd values, or has a rate without a manageable ratio to the wanted one.

    Example
    -------
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "second.wav")
    >>> soundfile.write(path, torch.zeros(8000, 2).numpy(), 8000)
    >>> load_audio(path).shape, load_audio(path, start=0.25, stop=0.5).shape
    (torch.Size([16000]), torch.Size([4000]))
    """
    with regular_file(path) as file:
        voices = list(stream_voice(file, start, stop, max_seconds, track, keep_offset))
    wave = torch.cat([voice.samples for voice in voices]) if voices else torch.zeros(0)
    return resampled(check_wave(wave, path), voices[0].sample_rate, sample_rate, path)


def stream_voice(
    path: str | os.PathLike,
    start: float | None = None,
    stop: float | None = None,
    max_seconds: float | None = None,
    track: int | None = None,
    keep_offset: bool = False,
) -> Iterator[Voice]:
    """The samples of :func:`load_audio` at the file's own rate, block by block, in flat memory.

    Arguments
    ---------
    path, start, stop, max_seconds, track, keep_offset
        As for :func:`load_audio`, but for pipes.

    Yields
    ------
    Voice
        Five seconds or less each. Where a file lacks its end, an error after what is there.

    Raises
    ------
    AudioError
        As :func:`load_audio`, but for what samples are.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, torch.zeros(56000).numpy(), 8000)
    >>> [len(voice.samples) for voice in stream_voice(path)]
    [40000, 16000]
    """
    yield from mixed(_blocks(path, start, stop, max_seconds, track), path, keep_offset)


def seconds_of(path: str | os.PathLike) -> float:
    """Length of a file in seconds by its header.

    Arguments
    ---------
    path : str or path-like
        A sound file or a film.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    AudioError
        If the header cannot be read or does not state the length.

    Example
    -------
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "half.wav")
    >>> soundfile.write(path, torch.zeros(4000).numpy(), 8000)
    >>> seconds_of(path)
    0.5
    """
    return read_header(path).seconds


class Header(NamedTuple):
    """What a file says of itself."""

    seconds: float
    sample_rate: int  # hertz
    channels: int


def read_header(path: str | os.PathLike, track: int | None = None) -> Header:
    """Length, rate and channels of a file, without decoding it where it states them.

    Arguments
    ---------
    path : str or path-like
        Anything that :func:`load_audio` reads, but for pipes, which are read once only.
    track : int or None
        As for :func:`load_audio`.

    Returns
    -------
    Header

    Raises
    ------
    AudioError
        As :func:`seconds_of`.

    Example
    -------
    >>> path = getfixture("tmp_path") / "stereo.wav"
    >>> soundfile.write(path, torch.zeros(4000, 2).numpy(), 8000)
    >>> read_header(path)
    Header(seconds=0.5, sample_rate=8000, channels=2)
    """
    check_whole(path)
    file = _open(path)
    if file is None:
        return Header(*track_header(path, track))
    with file:
        return Header(_stated_frames(file, path) / file.samplerate, file.samplerate, file.channels)


def stated_length(path: str | os.PathLike, track: int | None = None) -> float | None:
    """Length of a file in seconds, whole or not, without decoding it.

    Arguments
    ---------
    path, track
        As for :func:`read_header`.

    Returns
    -------
    float or None
        Seconds; None where nobody can tell before it was decoded (a browser's webm).

    Raises
    ------
    AudioError
        If it is no sound file.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, torch.zeros(4000).numpy(), 8000)
    >>> stated_length(path)
    0.5
    """
    file = _open(path)
    if file is None:
        return stated_seconds(path, track)
    with file:
        return _stated_frames(file, path) / file.samplerate


def check_whole(path: str | os.PathLike) -> None:
    """Refuses a file that lacks its end, as far as it says so without being decoded.

    Arguments
    ---------
    path : str or path-like
        A file that is there, or an address in an archive.

    Raises
    ------
    AudioError
        If bytes are missing that the file promises.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, torch.zeros(100).numpy(), 8000)
    >>> path.write_bytes(path.read_bytes()[:-20]) > 0
    True
    >>> check_whole(path)
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.AudioError: ...a.wav: truncated, its header promises 20 bytes more. Fetch it again.
    """
    with opened(path) as file:
        missing, early = missing_bytes(file), ends_early(file)
    if missing:
        raise AudioError(f"{path}: truncated; its header states {missing} more bytes. Download it again.")
    if early:
        raise AudioError(f"{path}: truncated; its last page is missing. Download it again.")


def _open(path: str | os.PathLike) -> soundfile.SoundFile | None:
    """The file in libsndfile, or None where FFmpeg is to read it."""
    with opened(path) as file:
        kind = kind_of(file.read(HEAD_BYTES))
        if kind is None or not kind.seekable or is_chained(file) or states_no_size(file):
            return None
    member = member_of(path)
    try:
        return soundfile.SoundFile(os.fsencode(path) if member is None else read_member(member))
    except soundfile.SoundFileError:  # FLAC in Ogg, a codec in WAV that it does not know: FFmpeg may
        return None


def _blocks(path, start, stop, max_seconds, track) -> Iterator[Track]:
    """All channels of a segment as one of the two decoders gives them; what the file lacks is told after them."""
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
    """Says what a decoder stops before: another file that was put behind this one."""
    with opened(path) as file:
        place = second_beginning(file)
    if place is not None:
        logger.warning(
            "%s: another file starts at byte %d and is not read. Join sound files with an audio editor.", path, place
        )


def _sought(file: soundfile.SoundFile, path, start, stop, max_seconds, track) -> Iterator[Track]:
    """A segment as libsndfile reads it, all of it."""
    if track not in (None, 1):
        raise AudioError(f"{path}: no sound track {track}, expected 1: files of this type have only one.")
    first, last = _segment(_stated_frames(file, path), file.samplerate, path, start, stop)
    check_seconds((last - first) / file.samplerate, max_seconds, path)
    block, left = round(BLOCK_SECONDS * file.samplerate), last - first
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
    """Goes to a place; GSM cannot be sought in, and is read up to there."""
    if file.seekable():
        file.seek(frames)
        return
    while frames and (read := len(file.read(min(frames, file.samplerate)))):
        frames -= read


def _from_start(path, start, stop, max_seconds, track) -> Iterator[Track]:
    """A segment as FFmpeg reads it: everything is decoded, and what is not in the segment is left out."""
    if start is None and stop is None:
        yield from stream_track(path, max_seconds, track)
        return
    yield from limited(_within(stream_track(path, track=track), path, start, stop), max_seconds, path)


def _within(blocks: Iterator[Track], path, start: float | None, stop: float | None) -> Iterator[Track]:
    """What of the blocks is in a segment; an error at the end if it was not in the file."""
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
    """The header's number of frames, if it states one: else nobody can tell whether the file is whole."""
    if file.frames == UNKNOWN_FRAMES:
        raise AudioError(f"{path}: its header does not state its length, expected a whole file. Encode it again.")
    return file.frames


def _segment(frames: int, rate: int, path, start: float | None, stop: float | None) -> tuple[int, int]:
    """First and last sample of a segment, inside the file."""
    seconds = frames / rate
    first, last = start or 0.0, seconds if stop is None else stop
    inside = math.isfinite(first) and 0 <= first < last <= seconds + MAX_EXCESS_SECONDS
    if (start is not None or stop is not None) and not inside:
        raise AudioError(
            f"{path}: segment {first:g} to {last:g} s, expected 0 <= start < stop <= {seconds:.3f} s, the file's "
            "length. Check the manifest."
        )
    return round(first * rate), min(round(last * rate), frames)
