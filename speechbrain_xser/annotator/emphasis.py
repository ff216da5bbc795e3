"""Emphasised words by word-level prominence: what stands out in duration, pitch and level.

Each word is held against a neutral reading of the same transcript (duration, lexical stress) and against the clip
itself (pitch above its own declination, level above its own), and the four are added with weights fitted to hand
labels of sentence accents. The price: the labels are EmoDB's, acted German.
"""

from __future__ import annotations

import re
from statistics import median
from typing import NamedTuple

import numpy as np

from speechbrain_xser.annotator.alignment import Word, align, reading_of
from speechbrain_xser.annotator.analysis import HOP_SECONDS, Heard
from speechbrain_xser.annotator.level import speech_decibels
from speechbrain_xser.annotator.pronunciation import Reading
from speechbrain_xser.errors import SettingsError

SHORTEST_SECONDS = 0.05  # added to both durations, so that the ratio of very short words stays tame
LOUDEST_FRAMES = 8  # whose mean is a word's level: the core of its strongest syllable
FEWEST_VOICED = 3  # frames; a word with fewer has no pitch
OCTAVE_SHARE = 0.75  # of an octave around the median; pitch beyond is an error of the tracker
STEEPEST = 4.0  # semitones a second of declination


MOST_WORDS = 2  # of one transcript
LEAST_PROMINENCE = 1.75  # above the median
_EDGES = re.compile(r"^[\W_]+|[\W_]+$")


class Cues(NamedTuple):
    """What the sound and the text say of W words."""

    duration: np.ndarray  # [W] log of the duration over the reading's at the clip's tempo
    pitch: np.ndarray  # [W] semitones of the word's high pitch above the clip's declination, NaN where unvoiced
    level: np.ndarray  # [W] decibels of the word's loudest 80 ms above the clip's speech
    stress: np.ndarray  # [W] lexical stress, 1 primary, 0 none


# Mean and deviation of each cue over the words of five EmoDB speakers (03, 08, 09, 10, 11), and the weights of a
# logistic regression of the hand-labelled sentence accents there, scaled so that prominences deviate by one.
CENTRES = Cues(-0.04, 1.4, 0.9, 0.5)
SPREADS = Cues(0.25, 2.6, 4.9, 0.5)
WEIGHTS = Cues(0.35, 0.2, 0.35, 0.6)


def prominences(
    heard: Heard, transcript: str, language: str = "en", words: tuple[Word, ...] | None = None
) -> tuple[float, ...] | None:
    """How much each word stands out, in standard deviations of words in general.

    ``sum over cues of weight * (cue - centre) / spread``; a word without pitch has its pitch at the centre.

    Arguments
    ---------
    heard : Heard
        The clip, trimmed.
    transcript : str
        What is said.
    language : str
        ISO 639-1, or eSpeak's own name of a voice.
    words : tuple[Word, ...] or None
        Times of the transcript's words by a better aligner, relative to the heard waveform; None for :func:`align`.

    Returns
    -------
    tuple[float, ...] or None
        One a white-space word of the transcript; None where there is no word or nothing is heard.

    Raises
    ------
    SettingsError
        If eSpeak has no such language, or the words given are not as many as the transcript's.

    Example
    -------
    >>> import torch
    >>> from speechbrain_xser.annotator.analysis import hear
    >>> from speechbrain_xser.annotator.pronunciation import read
    >>> wave = torch.from_numpy(read("Kids are talking by the door").wave)  # 22 kHz: a slow, low voice at 16
    >>> quiet, loud = (prominences(hear(gain * wave), "Kids are talking by the door") for gain in (0.25, 1.0))
    >>> np.allclose(quiet, loud, atol=1e-3), len(quiet)
    (True, 6)
    >>> prominences(hear(torch.zeros(16000)), "Kids are talking by the door") is None
    True
    """
    reading = reading_of(heard, transcript, language)
    if not reading.words or not heard.speech.any():
        return None
    words = align(heard, transcript, language) if words is None else _as_many(words, transcript)
    cues = zip(measure(heard, words, reading), CENTRES, SPREADS, WEIGHTS, strict=True)
    terms = [weight * np.nan_to_num((cue - centre) / spread) for cue, centre, spread, weight in cues]
    return tuple(sum(terms).tolist())


def emphasised(
    transcript: str, prominences: tuple[float, ...] | None, minimum: float = LEAST_PROMINENCE
) -> tuple[str, ...]:
    """The words that stand out from the rest of their transcript.

    A word does if its prominence is above the median of all by the minimum; of several, the two most prominent count.
    A single word never stands out.

    Arguments
    ---------
    transcript : str
        What is said.
    prominences : tuple[float, ...] or None
        One a white-space word.
    minimum : float
        Standard deviations above the median.

    Returns
    -------
    tuple[str, ...]
        In the transcript's order, without the punctuation around them; often empty.

    Raises
    ------
    SettingsError
        If the prominences are not as many as the transcript's words.

    Example
    -------
    >>> emphasised('He said: "never!"', (-0.5, 0.1, 2.4))
    ('never',)
    >>> emphasised("Well, that is that.", (0.3, 0.1, -0.2, 0.4))
    ()
    """
    if prominences is None:
        return ()
    texts = [_EDGES.sub("", text) for text in transcript.split()]
    known = {index: value for index, value in enumerate(_as_many(prominences, transcript)) if texts[index]}
    ranked = sorted(known, key=known.get, reverse=True)[:MOST_WORDS]
    return tuple(texts[i] for i in sorted(ranked) if known[i] - median(known.values()) >= minimum)


def measure(heard: Heard, words: tuple[Word, ...], reading: Reading) -> Cues:
    """The cues of each word.

    Arguments
    ---------
    heard : Heard
        The clip.
    words : tuple[Word, ...]
        Its words in time.
    reading : Reading
        The same words, read by eSpeak.

    Returns
    -------
    Cues
        None of them depends on the clip's gain, or on a tempo that all words share.

    Example
    -------
    >>> import torch
    >>> from speechbrain_xser.annotator.analysis import hear
    >>> from speechbrain_xser.annotator.pronunciation import read
    >>> tone = torch.sin(6.2832 * 200 * torch.arange(16000) / 16000) * torch.linspace(0.1, 1, 16000)
    >>> cues = measure(hear(tone), (Word("two", 0.0, 0.5), Word("words", 0.5, 1.0)), read("two words"))
    >>> bool(cues.level[0] < cues.level[1]), cues.stress.tolist()
    (True, [1.0, 1.0])
    """
    starts, stops = np.array([word[1:] for word in words]).T
    spans = _spans(starts, stops, len(heard.hertz))
    semitones, decibels = _above_declination(heard), heard.decibels.numpy()
    pitch = np.array([_high(semitones[span]) for span in spans])
    level = np.array([np.sort(decibels[span])[-LOUDEST_FRAMES:].mean() for span in spans])
    stress = np.array([word.stress for word in reading.words])
    usual = speech_decibels(heard.decibels, heard.speech)
    pauses = np.array([(~heard.speech[span]).sum() for span in spans]) * HOP_SECONDS
    return Cues(_duration((stops - starts - pauses).clip(0), reading), pitch, level - usual, stress)


def _spans(starts: np.ndarray, stops: np.ndarray, count: int) -> list[slice]:
    """Frames of each word, at least three where there are as many."""
    first, last = ((times / HOP_SECONDS).round().astype(int) for times in (starts, stops))
    first = first.clip(0, max(0, count - FEWEST_VOICED))
    return [slice(*span) for span in zip(first, np.maximum(last, first + FEWEST_VOICED), strict=True)]


def _duration(seconds: np.ndarray, reading: Reading) -> np.ndarray:
    expected = np.array([word.seconds for word in reading.words])
    expected = expected * seconds.sum() / expected.sum()
    return np.log((seconds + SHORTEST_SECONDS) / (expected + SHORTEST_SECONDS))


def _above_declination(heard: Heard) -> np.ndarray:
    """Semitones above the clip's falling line, [T], NaN where unvoiced or far from the median."""
    hertz = heard.hertz.double().numpy()
    semitones = 12 * np.log2(np.where(hertz > 0, hertz, np.nan))
    if not (hertz > 0).any():
        return semitones
    semitones = semitones - np.nanmedian(semitones)
    semitones[np.abs(semitones) > 12 * OCTAVE_SHARE] = np.nan
    voiced = np.flatnonzero(~np.isnan(semitones))
    if len(voiced) < 10:
        return semitones
    seconds = np.arange(len(semitones)) * HOP_SECONDS
    slope = np.clip(np.polyfit(seconds[voiced], semitones[voiced], 1)[0], -STEEPEST, 0.0)
    semitones = semitones - slope * seconds
    return semitones - np.nanmedian(semitones)


def _high(semitones: np.ndarray) -> float:
    voiced = semitones[~np.isnan(semitones)]
    return float(np.percentile(voiced, 90)) if len(voiced) >= FEWEST_VOICED else np.nan


def _as_many(values: tuple, transcript: str) -> tuple:
    found, expected = len(values), len(transcript.split())
    if found != expected:
        raise SettingsError(
            f"{transcript!r}: {found} words with times; expected {expected}, one for each white-space word."
        )
    return values
