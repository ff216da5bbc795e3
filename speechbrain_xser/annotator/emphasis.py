"""Finds emphasised words by word-level prominence: what stands out in duration, pitch and level.

Each word is compared with a neutral reading of the same transcript (duration, lexical stress) and with the clip itself
(pitch above its declination line, level above its mean). The four cues are added with weights fitted to hand labels of
sentence accents. These labels are EmoDB's, which is acted German.
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

SHORTEST_SECONDS = 0.05  # added to both durations, so that very short words have no extreme ratio
LOUDEST_FRAMES = 8  # a word's level is their mean: the core of its strongest syllable
FEWEST_VOICED = 3  # frames; a word with fewer has no pitch
OCTAVE_SHARE = 0.75  # of an octave around the median; pitch beyond it is a tracking error
STEEPEST = 4.0  # semitones of declination per second


MOST_WORDS = 2  # emphasised in one transcript
LEAST_PROMINENCE = 1.75  # standard deviations above the median
_EDGES = re.compile(r"^[\W_]+|[\W_]+$")


class Cues(NamedTuple):
    """What the sound and the text say about W words."""

    duration: np.ndarray  # [W] log of the duration over the reading's at the clip's tempo
    pitch: np.ndarray  # [W] semitones of the word's high pitch above the clip's declination, NaN where unvoiced
    level: np.ndarray  # [W] decibels of the word's loudest 80 ms above the clip's speech
    stress: np.ndarray  # [W] lexical stress, 1 primary, 0 none


# Mean and standard deviation of each cue over the words of five EmoDB speakers (03, 08, 09, 10, 11), and the weights of
# a logistic regression on their hand-labelled sentence accents, scaled so that prominences have a deviation of one.
CENTRES = Cues(-0.04, 1.4, 0.9, 0.5)
SPREADS = Cues(0.25, 2.6, 4.9, 0.5)
WEIGHTS = Cues(0.35, 0.2, 0.35, 0.6)


def prominences(
    heard: Heard, transcript: str, language: str = "en", words: tuple[Word, ...] | None = None
) -> tuple[float, ...] | None:
    """How much each word stands out, in standard deviations of words in general.

    ``sum over cues of weight * (cue - centre) / spread``; a word without pitch counts as if its pitch were the centre.

    Arguments
    ---------
    heard : Heard
        The clip, trimmed.
    transcript : str
        What is said.
    language : str
        ISO 639-1, or eSpeak's own name of a voice.
    words : tuple[Word, ...] or None
        Word times from a better aligner, relative to the trimmed waveform; None for :func:`align`.

    Returns
    -------
    tuple[float, ...] or None
        One for each white-space word of the transcript; None if there is no word or no speech.

    Raises
    ------
    SettingsError
        If eSpeak has no such language, or the number of words given is not the transcript's.

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

    A word counts if its prominence exceeds the median of all words by the minimum, and only the two most prominent ones
    count. A transcript of one word has none.

    Arguments
    ---------
    transcript : str
        What is said.
    prominences : tuple[float, ...] or None
        One for each white-space word.
    minimum : float
        Standard deviations above the median.

    Returns
    -------
    tuple[str, ...]
        In the transcript's order, without surrounding punctuation; often empty.

    Raises
    ------
    SettingsError
        If the number of prominences is not the number of words.

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
    """The four cues of each word.

    Arguments
    ---------
    heard : Heard
        The clip.
    words : tuple[Word, ...]
        Its words and their times.
    reading : Reading
        The same words, read by eSpeak.

    Returns
    -------
    Cues
        Independent of the clip's gain and of a tempo that all words share.

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
    """Frames of each word, at least three if the clip has as many."""
    first, last = ((times / HOP_SECONDS).round().astype(int) for times in (starts, stops))
    first = first.clip(0, max(0, count - FEWEST_VOICED))
    return [slice(*span) for span in zip(first, np.maximum(last, first + FEWEST_VOICED), strict=True)]


def _duration(seconds: np.ndarray, reading: Reading) -> np.ndarray:
    expected = np.array([word.seconds for word in reading.words])
    expected = expected * seconds.sum() / expected.sum()
    return np.log((seconds + SHORTEST_SECONDS) / (expected + SHORTEST_SECONDS))


def _above_declination(heard: Heard) -> np.ndarray:
    """Semitones above the clip's declination line, [T]; NaN where unvoiced or far from the median."""
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
