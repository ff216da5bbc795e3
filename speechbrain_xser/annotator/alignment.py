"""Words of a known transcript in time, without a speech recogniser.

eSpeak NG speaks the transcript, dynamic time warping lays its spectra over those of the real clip, and the word times
that eSpeak knows are carried over: the method of the aeneas forced aligner (Pettarin, 2017). The price is that the
clip must say what the transcript says; a word more or less moves its neighbours.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
import torchaudio
from torch import Tensor

from speechbrain_xser.annotator.analysis import HOP_SECONDS, Heard
from speechbrain_xser.annotator.pronunciation import Reading, read
from speechbrain_xser.data.waveform import SAMPLE_RATE

FRAME_SECONDS = 0.020  # of the spectra
WINDOW_SECONDS = 0.025
COEFFICIENTS = 13  # and as many deltas
HIGHEST_HERTZ = 5500.0  # telephone and 11 kHz recordings have nothing above
HIGH_HERTZ = 170.0  # a clip with a higher median is compared to a high voice
DIAGONAL = 1.25  # cost of a step in both signals; 1 favours it over two single ones, 2 favours none
SNAP_SECONDS = 0.1  # a word that begins so near to a pause begins after it
SLACK_SECONDS = 5.0  # how far the two may drift apart from a steady tempo


class Word(NamedTuple):
    """A word of the transcript, between its white space, and when it is said."""

    text: str
    start_seconds: float  # in the heard waveform
    stop_seconds: float


class Spectra(NamedTuple):
    """Normalised cepstra of the frames that are no pauses."""

    vectors: np.ndarray  # [N, 26] float32, length 1
    seconds: np.ndarray  # [N], each frame's middle


def align(heard: Heard, transcript: str, language: str = "en") -> tuple[Word, ...]:
    """Finds the words of a transcript in a clip.

    Arguments
    ---------
    heard : Heard
        The clip, trimmed.
    transcript : str
        What is said.
    language : str
        ISO 639-1, or eSpeak's own name of a voice.

    Returns
    -------
    tuple[Word, ...]
        One a white-space word of the transcript, in order; a pause lies between two words. Empty where nothing is
        heard or the transcript has no word.

    Raises
    ------
    SettingsError
        If eSpeak has no such language.

    Example
    -------
    >>> from speechbrain_xser.annotator.analysis import hear
    >>> reading = read("Kids are talking")
    >>> wave = torchaudio.functional.resample(torch.from_numpy(reading.wave), reading.sample_rate, 16000)
    >>> words = align(hear(wave), "Kids are talking")
    >>> [word.text for word in words]
    ['Kids', 'are', 'talking']
    >>> abs(words[2].start_seconds - reading.words[2].start_seconds) < 0.1
    True
    """
    reading = reading_of(heard, transcript, language)
    if not reading.words or not heard.speech.any():
        return ()
    spoken, real = _spectra_of_reading(reading), _spectra_of_clip(heard)
    frames = _after_pauses(_first_frames(reading, spoken, warp(spoken.vectors, real.vectors)), real.seconds)
    begins = real.seconds[frames]
    limits = np.append(begins[1:], len(heard.wav) / SAMPLE_RATE)
    stops = np.minimum(real.seconds[np.append(frames[1:], len(real.seconds)) - 1] + FRAME_SECONDS, limits)
    times = zip(transcript.split(), begins.tolist(), np.maximum(begins, stops).tolist(), strict=True)
    return tuple(Word(*word) for word in times)


def reading_of(heard: Heard, transcript: str, language: str) -> Reading:
    """eSpeak's reading of a clip's transcript, in a high voice for a high speaker.

    Arguments
    ---------
    heard : Heard
        The clip.
    transcript : str
        What is said.
    language : str
        ISO 639-1, or eSpeak's own name of a voice.

    Returns
    -------
    Reading
        The transcript, spoken.
    """
    voiced = heard.hertz[heard.hertz > 0]
    return read(transcript, language, bool(len(voiced) and voiced.median() > HIGH_HERTZ))


def warp(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Dynamic time warping by the cosine distance, within a band around a steady tempo.

    ``D(i, j) = min(D(i - 1, j) + c(i, j), D(i, j - 1) + c(i, j), D(i - 1, j - 1) + 1.25 c(i, j))`` (Sakoe & Chiba,
    1978). A row at once: with ``E(i, j)`` the better way from the row above and ``C`` the row's cumulative cost,
    ``D(i, j) = C(i, j) + min over k <= j of E(i, k) - C(i, k)``.

    Arguments
    ---------
    one : np.ndarray
        Vectors of length 1, [N, D].
    other : np.ndarray
        Vectors of length 1, [M, D].

    Returns
    -------
    np.ndarray
        [N] int64, the first vector of ``other`` that each of ``one`` is matched with; it never falls.

    Example
    -------
    >>> one = np.eye(3)
    >>> warp(one, one[[0, 0, 1, 2, 2]])
    array([0, 2, 3])
    """
    lows, steps = _forward(one, other)
    first = np.empty(len(one), np.int64)
    i, j = len(one) - 1, len(other) - 1
    while i >= 0:
        first[i] = j
        step = steps[i][j - lows[i]]
        i, j = i - (step != _LEFT), j - (step != _UP)
    return first


_LEFT, _UP, _BOTH = 0, 1, 2


def _forward(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Each row's first column, and by which step each of its cells is reached."""
    slack = max(round(SLACK_SECONDS / FRAME_SECONDS), 2 * len(other) // len(one) + 1)
    middles = np.linspace(0, len(other) - 1, len(one)).astype(int)
    lows, highs = np.maximum(middles - slack, 0), np.minimum(middles + slack + 1, len(other))
    above = np.full(len(other) + 1, np.inf)  # the row before, one column to the right
    above[0] = 0.0
    steps = []
    for row, low, high in zip(one, lows, highs, strict=True):
        cost = 1.0 - (other[low:high] @ row).astype(np.float64)
        up, both = above[low + 1 : high + 1] + cost, above[low:high] + DIAGONAL * cost
        before = cost.cumsum()
        entered = np.minimum(up, both) - before
        best = np.minimum.accumulate(entered)
        steps.append(np.where(best < entered, _LEFT, np.where(both <= up, _BOTH, _UP)).astype(np.int8))
        above[:] = np.inf
        above[low + 1 : high + 1] = best + before
    return lows, steps


@lru_cache(maxsize=4)
def _transform(sample_rate: int) -> torchaudio.transforms.MFCC:
    window, hop = round(WINDOW_SECONDS * sample_rate), round(FRAME_SECONDS * sample_rate)
    size = 1 << (window - 1).bit_length()
    mel = {"n_fft": size, "win_length": window, "hop_length": hop, "n_mels": 26, "f_min": 80.0, "f_max": HIGHEST_HERTZ}
    return torchaudio.transforms.MFCC(sample_rate, COEFFICIENTS, melkwargs=mel)


def _cepstra(wav: Tensor, sample_rate: int) -> Tensor:
    """Cepstra and their deltas, [N, 26], frame ``n`` in the middle around ``0.02 n`` seconds, whatever the gain."""
    transform = _transform(sample_rate)
    wav = torch.nn.functional.pad(wav, (0, max(0, transform.MelSpectrogram.n_fft - len(wav))))
    cepstra = transform(wav / wav.abs().max().clamp_min(1e-9))
    return torch.cat([cepstra, torchaudio.functional.compute_deltas(cepstra)]).T


def _spectra(cepstra: Tensor, kept: np.ndarray) -> Spectra:
    """Mean and deviation of the kept frames taken out, and each vector's length."""
    vectors = cepstra.numpy()[kept]
    vectors = (vectors - vectors.mean(0)) / (vectors.std(0) + 1e-6)
    vectors = vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-6)
    return Spectra(vectors, kept.nonzero()[0] * FRAME_SECONDS)


def _spectra_of_reading(reading: Reading) -> Spectra:
    cepstra = _cepstra(torch.from_numpy(reading.wave), reading.sample_rate)
    seconds = np.arange(len(cepstra)) * FRAME_SECONDS
    kept = np.ones(len(cepstra), bool)
    for start, stop in reading.pauses:
        kept &= (seconds < start) | (seconds >= stop)
    return _spectra(cepstra, kept)


def _spectra_of_clip(heard: Heard) -> Spectra:
    cepstra = _cepstra(heard.wav, SAMPLE_RATE)
    frames = (np.arange(len(cepstra)) * round(FRAME_SECONDS / HOP_SECONDS)).clip(0, len(heard.speech) - 1)
    return _spectra(cepstra, heard.speech.numpy()[frames])


def _first_frames(reading: Reading, spoken: Spectra, matched: np.ndarray) -> np.ndarray:
    """The real frame, [W], that the start of each word of the reading is matched with; the first word has the first."""
    starts = np.array([word.start_seconds for word in reading.words]) - FRAME_SECONDS / 2
    frames = matched[np.searchsorted(spoken.seconds, starts).clip(0, len(matched) - 1)]
    frames[0] = 0
    return frames


def _after_pauses(frames: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """The nearest start to each pause, moved to its end: half a syllable too early or late would span the pause."""
    for resumed in np.flatnonzero(np.diff(seconds) > 1.5 * FRAME_SECONDS) + 1:
        nearest = frames[np.abs(frames - resumed).argmin()]
        if abs(nearest - resumed) * FRAME_SECONDS <= SNAP_SECONDS:
            frames = np.where(frames == nearest, resumed, frames)
    return frames
