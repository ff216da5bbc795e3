"""Prosody profiles of emotions, with overlapping attributes: no single attribute gives the label away.

The directions follow the usual findings on vocal expression (Scherer 2003, Speech Communication 40, table 2: anger
loud and fast, sadness low, soft and slow, fear high and fast, ...); the weights are our choice.
"""

from __future__ import annotations

from itertools import product
from random import Random
from typing import NamedTuple

from speechbrain_xser.answer.record import EMOTIONS

Choice = dict[str, float]  # label -> probability


class Profile(NamedTuple):
    """How an emotion is spoken: a distribution for each attribute, drawn independently.

    Example
    -------
    >>> all(abs(sum(choice.values()) - 1) < 1e-9 for profile in PROFILES.values() for choice in profile)
    True
    """

    pitch: Choice
    volume: Choice
    speed: Choice
    intonation: Choice


class Prosody(NamedTuple):
    """One way of speaking, as drawn."""

    pitch: str
    volume: str
    speed: str
    intonation: str


PROFILES = {
    "neutral": Profile(
        {"normal": 0.9, "low": 0.1}, {"normal": 0.7, "low": 0.3}, {"normal": 0.8, "slow": 0.2}, {"normal": 1.0}
    ),
    "happy": Profile(
        {"high": 0.7, "normal": 0.3}, {"normal": 0.6, "high": 0.4}, {"fast": 0.8, "normal": 0.2}, {"lively": 1.0}
    ),
    "sad": Profile(
        {"low": 0.7, "normal": 0.3}, {"low": 0.7, "normal": 0.3}, {"slow": 0.8, "normal": 0.2}, {"flat": 1.0}
    ),
    "angry": Profile(
        {"low": 0.5, "normal": 0.5}, {"high": 1.0}, {"fast": 0.8, "normal": 0.2}, {"normal": 0.5, "flat": 0.5}
    ),
    "surprised": Profile(
        {"high": 0.9, "normal": 0.1}, {"high": 0.6, "normal": 0.4}, {"slow": 0.7, "normal": 0.3}, {"lively": 1.0}
    ),
    "fearful": Profile(
        {"high": 0.9, "normal": 0.1}, {"low": 0.8, "normal": 0.2}, {"fast": 0.8, "normal": 0.2}, {"flat": 1.0}
    ),
    "disgusted": Profile(
        {"low": 0.8, "normal": 0.2}, {"normal": 0.6, "high": 0.4}, {"slow": 0.8, "normal": 0.2}, {"lively": 1.0}
    ),
}


def draw(emotion: str, random: Random) -> Prosody:
    """Draws a way of speaking for an emotion."""
    return Prosody(*(random.choices(list(choice), list(choice.values()))[0] for choice in PROFILES[emotion]))


def best_accuracy(attributes: tuple[str, ...]) -> float:
    """The Bayes accuracy, 0..1, under equal priors, of a listener who knows only these attributes.

    Example
    -------
    >>> max(best_accuracy((name,)) for name in Prosody._fields) < 0.45
    True
    >>> best_accuracy(Prosody._fields) > 0.9
    True
    """
    indices = [Prosody._fields.index(name) for name in attributes]
    labels = [sorted({label for profile in PROFILES.values() for label in profile[index]}) for index in indices]
    total = 0.0
    for heard in product(*labels):
        total += max(_likelihood(PROFILES[emotion], indices, heard) for emotion in EMOTIONS)
    return total / len(EMOTIONS)


def _likelihood(profile: Profile, indices: list[int], heard: tuple[str, ...]) -> float:
    likelihood = 1.0
    for index, label in zip(indices, heard, strict=True):
        likelihood *= profile[index].get(label, 0.0)
    return likelihood
