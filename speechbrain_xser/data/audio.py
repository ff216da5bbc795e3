"""Audio files as mono float waveforms at one sample rate, or an error that names the file.

Read with soundfile (wav, flac, ogg, opus, mp3); a segment is read alone, not cut out of the whole file. A clip may also
lie in an archive (:mod:`speechbrain_xser.data.member`). The price of strictness: a file that lacks a single promised
sample is refused.
"""

from __future__ import annotations

import math
import os

import soundfile
import torch
from torch import Tensor
from torchaudio.functional import resample

from speechbrain_xser.data.member import member_of, read_member
from speechbrain_xser.data.truncation import ends_early, missing_bytes
from speechbrain_xser.errors import AudioError

SAMPLE_RATE = 16000
MAX_AMPLITUDE = 16.0  # of full scale; a clipped float file reaches 2 or so, int16 values taken for floats 32768
MAX_EXCESS_SECONDS = 0.01  # a segment may end this much after the file: manifests round their times
MP3_SHARE = 0.9  # frames of an mp3 without a table of contents are an estimate
UNKNOWN_FRAMES = 2**63 - 1  # what libsndfile says of a FLAC stream whose header leaves the length open
MAX_FILTER = 20_000_000  # taps of a resampling filter grow with the product of the reduced rates; more needs gigabytes


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
    with open_audio(path) as file:
        rate = file.samplerate
        try:
            wave = _read(file, path, start, stop, max_seconds)
        except soundfile.SoundFileError as error:
            raise _not_audio(path, error) from error
    wave = check_wave(torch.from_numpy(wave).mean(dim=1), path)
    return wave if rate == sample_rate else _resampled(wave, rate, sample_rate, path)


def check_wave(wave: Tensor, name: str | os.PathLike = "waveform", max_seconds: float | None = None) -> Tensor:
    """Returns the waveform if a model can be given it. Silence is fine.

    Arguments
    ---------
    wave : Tensor
        Waveform, [S], floating, at 16 kHz.
    name : str or path-like
        Names it in the message.
    max_seconds : float or None
        Longest length, None for any.

    Returns
    -------
    Tensor
        The same waveform.

    Raises
    ------
    AudioError
        If it is not one-dimensional, not floating, empty, too long, or holds NaN, Inf or values beyond 16.

    Example
    -------
    >>> check_wave(torch.tensor([0.0, float("nan")]), "a.wav")
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.AudioError: a.wav: 1 of 2 samples are NaN or Inf, expected finite numbers. Export it again.
    """
    if wave.dim() != 1 or not wave.is_floating_point():
        raise AudioError(
            f"{name}: shape {tuple(wave.shape)} of {wave.dtype}, expected [S] floats. Average the channels."
        )
    if wave.numel() == 0:
        raise AudioError(f"{name}: no samples, expected at least one. The file is empty: fetch it again or drop it.")
    check_seconds(wave.numel() / SAMPLE_RATE, max_seconds, name)
    bad = int((~torch.isfinite(wave)).sum())
    if bad:
        raise AudioError(
            f"{name}: {bad} of {wave.numel()} samples are NaN or Inf, expected finite numbers. Export it again."
        )
    peak = wave.abs().max().item()
    if peak > MAX_AMPLITUDE:
        raise AudioError(f"{name}: peak {peak:g}, expected at most {MAX_AMPLITUDE:g}. Scale samples to -1..1.")
    return wave


def check_seconds(seconds: float, max_seconds: float | None, name: str | os.PathLike) -> None:
    """Refuses a clip that is too long, before it can exhaust the memory.

    Arguments
    ---------
    seconds : float
        Length of the clip.
    max_seconds : float or None
        Longest allowed, None for any.
    name : str or path-like
        Names the clip in the message.

    Raises
    ------
    AudioError
        If it is longer.

    Example
    -------
    >>> check_seconds(120.0, 30.0, "a.wav")
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.AudioError: a.wav: 120.00 s long, expected at most 30 s. Cut it into shorter clips, or \
raise max_seconds.
    """
    if max_seconds is not None and seconds > max_seconds:
        raise AudioError(
            f"{name}: {seconds:.2f} s long, expected at most {max_seconds:g} s. Cut it into shorter clips, or "
            "raise max_seconds."
        )


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
    with open_audio(path) as file:
        return _stated(file.frames, path) / file.samplerate


def open_audio(path: str | os.PathLike) -> soundfile.SoundFile:
    """Opens a file, or a clip inside an archive, that is whole as far as can be told without decoding it.

    Arguments
    ---------
    path : str or path-like
        An audio file, or an address of :mod:`speechbrain_xser.data.member`.

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
        _check_file(path)
    try:
        return soundfile.SoundFile(os.fspath(path) if member is None else read_member(member))
    except soundfile.SoundFileError as error:
        raise _not_audio(path, error) from error


def _not_audio(path: str | os.PathLike, error: soundfile.SoundFileError) -> AudioError:
    return AudioError(
        f"{path}: cannot be read as audio ({str(error).rsplit(': ', 1)[-1]}); it is damaged, truncated or of another "
        "kind. Expected wav, flac, ogg, opus or mp3: convert or fetch it again."
    )


def _check_file(path: str | os.PathLike) -> None:
    """Missing, empty or cut: found before the decoder is asked."""
    if not os.path.isfile(path):
        found = "a folder" if os.path.isdir(path) else "no such file"
        raise AudioError(f"{path}: {found}, expected an audio file. Check the path, in a manifest the data folder too.")
    if os.path.getsize(path) == 0:
        raise AudioError(f"{path}: 0 bytes, expected an audio file. Fetch it again.")
    if os.fspath(path).lower().endswith(".raw"):
        raise AudioError(f"{path}: raw samples without a header, expected wav, flac, ogg, opus or mp3. Convert it.")
    try:
        missing, early = missing_bytes(path), ends_early(path)
    except OSError as error:
        raise AudioError(f"{path}: {error.strerror or error}. Check who may read it.") from error
    if missing:
        raise AudioError(f"{path}: truncated, its header promises {missing} bytes more. Fetch it again.")
    if early:
        raise AudioError(f"{path}: truncated, its last page is not there. Fetch it again.")


def _stated(frames: int, path: str | os.PathLike) -> int:
    """The header's number of frames, if it states one: else nobody can tell whether the file is whole."""
    if frames == UNKNOWN_FRAMES:
        raise AudioError(f"{path}: its header does not state its length, expected a whole file. Encode it again.")
    return frames


def _resampled(wave: Tensor, rate: int, sample_rate: int, path: str | os.PathLike) -> Tensor:
    """The waveform at the wanted rate; an odd one (22254 Hz, say) is refused: its filter would take gigabytes."""
    common = math.gcd(rate, sample_rate)
    if (rate // common) * (sample_rate // common) > MAX_FILTER:
        raise AudioError(f"{path}: {rate} Hz has no small ratio to {sample_rate} Hz. Convert it to {sample_rate} Hz.")
    return resample(wave, rate, sample_rate)


def _read(file: soundfile.SoundFile, path, start: float | None, stop: float | None, max_seconds: float | None):
    """The samples of a segment, [frames, channels], all of them."""
    first, last = _segment(file, path, start, stop)
    check_seconds((last - first) / file.samplerate, max_seconds, path)
    file.seek(first)
    samples = file.read(last - first, dtype="float32", always_2d=True)
    wanted = (last - first) * (MP3_SHARE if file.format == "MP3" else 1)
    if len(samples) < wanted:
        raise AudioError(f"{path}: truncated, {len(samples)} of {last - first} samples are there. Fetch it again.")
    return samples


def _segment(file: soundfile.SoundFile, path, start: float | None, stop: float | None) -> tuple[int, int]:
    """First and last sample of a segment, inside the file."""
    seconds = _stated(file.frames, path) / file.samplerate
    first, last = start or 0.0, seconds if stop is None else stop
    inside = math.isfinite(first) and 0 <= first < last <= seconds + MAX_EXCESS_SECONDS
    if (start is not None or stop is not None) and not inside:
        raise AudioError(
            f"{path}: segment {first:g} to {last:g} s, expected 0 <= start < stop <= {seconds:.3f} s, the file's "
            "length. Check the manifest."
        )
    return round(first * file.samplerate), min(round(last * file.samplerate), file.frames)
