"""Audio files as mono float waveforms at one sample rate, or an error that names the file.

Read with soundfile (wav, flac, ogg, opus, mp3); a segment is read alone, not cut out of the whole file. The sound of
mp4, m4a, webm and their like comes from :mod:`speechbrain_xser.data.video`, decoded from the file's start. A clip may
also lie in an archive (:mod:`speechbrain_xser.data.member`). The price of strictness: a file that lacks a single
promised sample is refused.
"""

from __future__ import annotations

import math
import os
from typing import NamedTuple

import soundfile
import torch
from torch import Tensor

from speechbrain_xser.data.member import member_of, read_member
from speechbrain_xser.data.truncation import ends_early, missing_bytes
from speechbrain_xser.data.video import VIDEO_SUFFIXES, load_voice, track_header
from speechbrain_xser.data.waveform import SAMPLE_RATE, check_seconds, check_wave, resampled
from speechbrain_xser.errors import AudioError

AUDIO_SUFFIXES = (".wav", ".flac", ".opus", ".ogg", ".mp3")
MAX_EXCESS_SECONDS = 0.01  # a segment may end this much after the file: manifests round their times
MP3_SHARE = 0.9  # frames of an mp3 without a table of contents are an estimate
UNKNOWN_FRAMES = 2**63 - 1  # what libsndfile says of a FLAC stream whose header leaves the length open


def load_audio(
    path: str | os.PathLike,
    start: float | None = None,
    stop: float | None = None,
    sample_rate: int = SAMPLE_RATE,
    max_seconds: float | None = None,
) -> Tensor:
    """Reads a file or a segment of it, channels averaged, resampled if it has another rate.

    Arguments
    ---------
    path : str or path-like
        An audio file.
    start : float or None
        Start of the segment in seconds, None for the file's start.
    stop : float or None
        End of the segment in seconds, None for the file's end.
    sample_rate : int
        Wanted samples a second.
    max_seconds : float or None
        Longest segment, checked before it is read; None for any.

    Returns
    -------
    Tensor
        Waveform, [S], float32, full scale is 1, finite.

    Raises
    ------
    AudioError
        If the file is missing, empty, not audio, truncated, too long, has no such segment, holds NaN, Inf or absurd
        values, or has a rate without a manageable ratio to the wanted one.

    Example
    -------
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "second.wav")
    >>> soundfile.write(path, torch.zeros(8000, 2).numpy(), 8000)
    >>> load_audio(path).shape, load_audio(path, start=0.25, stop=0.5).shape
    (torch.Size([16000]), torch.Size([4000]))
    """
    decode = _decoded if is_video(path) else _sounds
    wave, rate = decode(path, start, stop, max_seconds)
    return resampled(check_wave(wave, path), rate, sample_rate, path)


def is_video(path: str | os.PathLike) -> bool:
    """Whether a file's sound is read from a container, by its name.

    Example
    -------
    >>> is_video("a.MP4"), is_video("a.wav")
    (True, False)
    """
    return os.fspath(path).lower().endswith(VIDEO_SUFFIXES)


def _sounds(path: str | os.PathLike, start, stop, max_seconds) -> tuple[Tensor, int]:
    """A segment of an audio file, channels averaged, and its rate."""
    with open_audio(path) as file:
        try:
            samples = _read(file, path, start, stop, max_seconds)
        except soundfile.SoundFileError as error:
            raise not_audio(path, error) from error
        return torch.from_numpy(samples).mean(dim=1), file.samplerate


def _decoded(path: str | os.PathLike, start, stop, max_seconds) -> tuple[Tensor, int]:
    """A segment of a film's speech, and its rate."""
    voice = load_voice(path, max_seconds if start is None and stop is None else None)
    first, last = _segment(len(voice.samples), voice.sample_rate, path, start, stop)
    check_seconds((last - first) / voice.sample_rate, max_seconds, path)
    return voice.samples[first:last], voice.sample_rate


def seconds_of(path: str | os.PathLike) -> float:
    """Length of a file in seconds by its header.

    Arguments
    ---------
    path : str or path-like
        An audio file.

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


def read_header(path: str | os.PathLike) -> Header:
    """Length, rate and channels of a file, without decoding it where it states them.

    Arguments
    ---------
    path : str or path-like
        Anything that :func:`load_audio` reads.

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
    if is_video(path):
        return Header(*track_header(path))
    with open_audio(path) as file:
        return Header(stated_frames(file.frames, path) / file.samplerate, file.samplerate, file.channels)


def open_audio(path: str | os.PathLike, whole: bool = True) -> soundfile.SoundFile:
    """Opens a file, or a clip inside an archive, that is whole as far as can be told without decoding it.

    Arguments
    ---------
    path : str or path-like
        An audio file, or an address of :mod:`speechbrain_xser.data.member`.
    whole : bool
        Whether a file that lacks its end is refused; :func:`check_whole` tells later.

    Returns
    -------
    soundfile.SoundFile
        Open for reading; closes as a context manager.

    Raises
    ------
    AudioError
        If it is missing, empty, truncated or not audio.

    Example
    -------
    >>> path = getfixture("tmp_path") / "stereo.wav"
    >>> soundfile.write(path, torch.zeros(4000, 2).numpy(), 8000)
    >>> with open_audio(path) as file:
    ...     file.channels, file.samplerate
    (2, 8000)
    """
    member = member_of(path)
    if member is None:
        _check_there(path)
        if whole:
            check_whole(path)
    try:
        return soundfile.SoundFile(os.fsencode(path) if member is None else read_member(member))
    except soundfile.SoundFileError as error:
        raise not_audio(path, error) from error


def not_audio(path: str | os.PathLike, error: soundfile.SoundFileError) -> AudioError:
    """What is said of a file that libsndfile cannot read.

    Arguments
    ---------
    path : str or path-like
        The file.
    error : soundfile.SoundFileError
        Its own words.

    Returns
    -------
    AudioError

    Example
    -------
    >>> str(not_audio("a.wav", soundfile.SoundFileError("a.wav: unknown format")))[:50]
    'a.wav: cannot be read as audio (unknown format); i'
    """
    return AudioError(
        f"{path}: cannot be read as audio ({str(error).rsplit(': ', 1)[-1]}); it is damaged, truncated or of another "
        "kind. Expected wav, flac, ogg, opus or mp3: convert or fetch it again."
    )


def check_whole(path: str | os.PathLike) -> None:
    """Refuses a wav or ogg file that lacks its end, without decoding it.

    Arguments
    ---------
    path : str or path-like
        An audio file that is there.

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
    try:
        missing, early = missing_bytes(path), ends_early(path)
    except OSError as error:
        raise AudioError(f"{path}: {error.strerror or error}. Check who may read it.") from error
    if missing:
        raise AudioError(f"{path}: truncated, its header promises {missing} bytes more. Fetch it again.")
    if early:
        raise AudioError(f"{path}: truncated, its last page is not there. Fetch it again.")


def _check_there(path: str | os.PathLike) -> None:
    """Missing or empty: found before the decoder is asked."""
    if not os.path.isfile(path):
        found = "a folder" if os.path.isdir(path) else "no such file"
        raise AudioError(f"{path}: {found}, expected an audio file. Check the path, in a manifest the data folder too.")
    if os.path.getsize(path) == 0:
        raise AudioError(f"{path}: 0 bytes, expected an audio file. Fetch it again.")
    if os.fspath(path).lower().endswith(".raw"):
        raise AudioError(f"{path}: raw samples without a header, expected wav, flac, ogg, opus or mp3. Convert it.")


def stated_frames(frames: int, path: str | os.PathLike) -> int:
    """The header's number of frames, if it states one: else nobody can tell whether the file is whole."""
    if frames == UNKNOWN_FRAMES:
        raise AudioError(f"{path}: its header does not state its length, expected a whole file. Encode it again.")
    return frames


def _read(file: soundfile.SoundFile, path, start: float | None, stop: float | None, max_seconds: float | None):
    """The samples of a segment, [frames, channels], all of them."""
    first, last = _segment(stated_frames(file.frames, path), file.samplerate, path, start, stop)
    check_seconds((last - first) / file.samplerate, max_seconds, path)
    file.seek(first)
    samples = file.read(last - first, dtype="float32", always_2d=True)
    wanted = (last - first) * (MP3_SHARE if file.format == "MP3" else 1)
    if len(samples) < wanted:
        raise AudioError(f"{path}: truncated, {len(samples)} of {last - first} samples are there. Fetch it again.")
    return samples


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
