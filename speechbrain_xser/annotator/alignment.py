"""Finds when each word of a known transcript is said, without a speech recogniser.

eSpeak NG speaks the transcript, dynamic time warping aligns its spectra with those of the real clip, and the word times
that eSpeak knows are carried over: the method of the aeneas forced aligner (Pettarin, 2017). The clip has to say what
the transcript says: an extra or a missing word shifts its neighbours.
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

FRAME_SECONDS = 0.020  # from one spectrum to the next
WINDOW_SECONDS = 0.025
COEFFICIENTS = 13  # plus as many deltas
HIGHEST_HERTZ = 5500.0  # telephone and 11 kHz recordings have nothing above
HIGH_HERTZ = 170.0  # a clip with a higher median is compared to a high voice
DIAGONAL = 1.25  # cost of a step in both signals; 1 favours it over two single ones, 2 favours none
SNAP_SECONDS = 0.1  # a word that starts this close to a pause is moved to its end
SLACK_SECONDS = 5.0  # how far the alignment may drift from a steady tempo


class Word(NamedTuple):
    """A word of the transcript, as split at white space, and when it is said."""

    text: str
    start_seconds: float  # in the heard waveform
    stop_seconds: float


class Spectra(NamedTuple):
    """Normalised cepstra of the frames outside pauses."""

    vectors: np.ndarray  # [N, 26] float32, length 1
    seconds: np.ndarray  # [N], each frame's middle


def align(heard: Heard, transcript: str, language: str = "en") -> tuple[Word, ...]:
    """Finds when each word of a transcript is said in a clip.

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
        One for each white-space word of the transcript, in order; pauses lie between words. Empty if no speech is
        found or the transcript has no word.

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


def agreement(heard: Heard, text: str, language: str = "en") -> float | None:
    """How much better a clip agrees with a text than with the same words in reverse order.

    ``s(words) - s(words in reverse order)``, where s is the mean cosine similarity of the aligned spectra. The words
    in reverse order have the same sounds and the same voice; only their order is wrong.

    Arguments
    ---------
    heard : Heard
        The clip, trimmed.
    text : str
        What may be said.
    language : str
        ISO 639-1, or eSpeak's own name of a voice.

    Returns
    -------
    float or None
        Around 0 for another sentence. None for fewer than two words, or without speech.

    Raises
    ------
    SettingsError
        If eSpeak has no such language.

    Example
    -------
    >>> from speechbrain_xser.annotator.analysis import hear
    >>> reading = read("the garden behind the house was quiet")
    >>> heard = hear(torch.from_numpy(reading.wave), sampling_rate=reading.sample_rate)
    >>> agreement(heard, "the garden behind the house was quiet") > 0.1
    True
    """
    words = text.split()
    if len(words) < 2 or not heard.speech.any():
        return None
    real = _spectra_of_clip(heard)
    readings = [reading_of(heard, " ".join(order), language) for order in (words, reversed(words))]
    if not all(reading.words for reading in readings):
        return None
    forwards, backwards = (_similarity(_spectra_of_reading(reading), real) for reading in readings)
    return forwards - backwards


def _similarity(spoken: Spectra, real: Spectra) -> float:
    """Mean cosine similarity of the reading's frames and those that they are matched with."""
    matched = real.vectors[warp(spoken.vectors, real.vectors)]
    return float((spoken.vectors * matched).sum(1).mean())


def reading_of(heard: Heard, transcript: str, language: str) -> Reading:
    """eSpeak's reading of a clip's transcript, with a high voice for a high-pitched speaker."""
    voiced = heard.hertz[heard.hertz > 0]
    return read(transcript, language, bool(len(voiced) and voiced.median() > HIGH_HERTZ))


def warp(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Dynamic time warping by cosine distance, within a band around a steady tempo; rows are vectors of length 1.

    ``D(i, j) = min(D(i - 1, j) + c(i, j), D(i, j - 1) + c(i, j), D(i - 1, j - 1) + 1.25 c(i, j))`` (Sakoe & Chiba,
    1978). One row at a time: with ``E(i, j)`` the better path from the row above and ``C`` the row's cumulative cost,
    ``D(i, j) = C(i, j) + min over k <= j of E(i, k) - C(i, k)``. The result, [N] int64, never falls: the index of the
    first vector of ``other``, [M, D], that each vector of ``one``, [N, D], is matched with.
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
    """The first column of each row, and the step by which each of its cells is reached."""
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
    """Cepstra and their deltas, [N, 26]; frame ``n`` is centred at ``0.02 n`` seconds. Independent of the gain."""
    transform = _transform(sample_rate)
    wav = torch.nn.functional.pad(wav, (0, max(0, transform.MelSpectrogram.n_fft - len(wav))))
    cepstra = transform(wav / wav.abs().max().clamp_min(1e-9))
    return torch.cat([cepstra, torchaudio.functional.compute_deltas(cepstra)]).T


def _spectra(cepstra: Tensor, kept: np.ndarray) -> Spectra:
    """The kept frames, standardised over time and scaled to length 1."""
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
    """The clip's frame, [W], that the start of each word is matched with; the first word gets frame 0."""
    starts = np.array([word.start_seconds for word in reading.words]) - FRAME_SECONDS / 2
    frames = matched[np.searchsorted(spoken.seconds, starts).clip(0, len(matched) - 1)]
    frames[0] = 0
    return frames


def _after_pauses(frames: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Moves the word start nearest to each pause to the pause's end, so that no word spans the pause."""
    for resumed in np.flatnonzero(np.diff(seconds) > 1.5 * FRAME_SECONDS) + 1:
        nearest = frames[np.abs(frames - resumed).argmin()]
        if abs(nearest - resumed) * FRAME_SECONDS <= SNAP_SECONDS:
            frames = np.where(frames == nearest, resumed, frames)
    return frames
