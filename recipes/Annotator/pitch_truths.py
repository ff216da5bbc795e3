"""Compares pitch with the speakers' gender and with Praat, and level with the acted intensity."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from recipes.Annotator.voices import Sound, Voice

BOUND_HERTZ = 160.0  # midway between the usual ranges of men (85 to 155) and women (165 to 255)
NEAR = 0.02  # relative difference of two pitches
GROSS = 0.2
OCTAVE_WITHIN_SEMITONES = 1.0


class Sides(NamedTuple):
    """Pitch by gender, over the clips that have a pitch."""

    men_hertz: float  # median of the clips' medians
    women_hertz: float
    men_below: float  # share of the clips below 160 Hz
    women_above: float


class Agreement(NamedTuple):
    """Two trackers compared: shares of the frames that both call voiced, unless stated otherwise."""

    seconds: float  # of clips
    near: float  # within 2 %
    gross: float  # more than 20 % away
    halved: float  # an octave below Praat, within a semitone
    doubled: float
    voiced_too: float  # of Praat's voiced frames
    near_medians: float  # share of the clips whose medians are within 2 %
    halved_clips: int  # clips whose median is an octave below Praat's
    doubled_clips: int


class Louder(NamedTuple):
    """One way of speaking compared with another."""

    speakers: int
    louder: int  # speakers whose mean level is higher
    decibels: float  # mean over the speakers


def sides(voices: list[Voice], sounds: list[Sound]) -> Sides:
    """Where the pitches of men and women lie."""
    female = np.array([voice.female for voice in voices])
    hertz = np.array([sound.median_hertz for sound in sounds])
    men, women = (hertz[group & ~np.isnan(hertz)] for group in (~female, female))
    return Sides(np.median(men), np.median(women), np.mean(men < BOUND_HERTZ), np.mean(women > BOUND_HERTZ))


def agreement(sounds: list[Sound]) -> Agreement:
    """Compares the tracks with Praat's, frame by frame and clip by clip."""
    ours, praats = (np.concatenate([getattr(sound, name) for sound in sounds]) for name in ("hertz", "praats"))
    both = (ours > 0) & (praats > 0)
    ratios = ours[both] / praats[both]
    medians = np.array([sound.median_hertz / sound._replace(hertz=sound.praats).median_hertz for sound in sounds])
    medians = medians[~np.isnan(medians)]
    return Agreement(
        sum(len(sound.hertz) for sound in sounds) * 0.01,
        np.mean(_near(ratios)),
        np.mean(np.abs(ratios - 1) > GROSS),
        np.mean(_octave(ratios, -1)),
        np.mean(_octave(ratios, 1)),
        both.sum() / (praats > 0).sum(),
        np.mean(_near(medians)),
        int(_octave(medians, -1).sum()),
        int(_octave(medians, 1).sum()),
    )


def louder(voices: list[Voice], sounds: list[Sound], higher: dict[str, str], lower: dict[str, str]) -> Louder:
    """Compares each speaker's clips with one set of values in the manifest to those with another."""
    means = [_mean_levels(voices, sounds, wanted) for wanted in (higher, lower)]
    apart = np.array([means[0][speaker] - means[1][speaker] for speaker in means[0]])
    return Louder(len(apart), int((apart > 0).sum()), apart.mean())


def _mean_levels(voices: list[Voice], sounds: list[Sound], wanted: dict[str, str]) -> dict[str, float]:
    levels = defaultdict(list)
    for voice, sound in zip(voices, sounds, strict=True):
        if all(voice.row[column] in values.split() for column, values in wanted.items()):
            levels[voice.speaker].append(sound.decibels)
    return {speaker: float(np.mean(found)) for speaker, found in levels.items()}


def _near(ratios: np.ndarray) -> np.ndarray:
    return np.abs(ratios - 1) < NEAR


def _octave(ratios: np.ndarray, direction: int) -> np.ndarray:
    return np.abs(12 * np.log2(ratios) - 12 * direction) < OCTAVE_WITHIN_SEMITONES
