"""Who speaks in each moment: voices of moments, clustered when all are there.

Moments are clustered from the nearest pair on (average linkage of cosine distances), until groups are further apart
than the encoder's threshold. Where the number of speakers is known, Ward's linkage merges until so many are left. Short
moments tell little of a voice, and the distances of all pairs would take memory: only the longer ones are clustered, a
thousand at most, and each other moment joins the nearest speaker. How long somebody speaks is counted over all of the
longer ones. A voice takes one kilobyte, which is all that is kept of a moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from speechbrain_xser.data.waveform import SAMPLE_RATE
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.lobes.speaker_encoder import SpeakerEncoder
from speechbrain_xser.timeline.moment import Moment
from speechbrain_xser.versions import install_hint

CLEAR_SECONDS = 1.0  # a shorter moment joins a speaker, and founds none
MOST_CLUSTERED = 1000  # moments
LEAST_SECONDS = 3.0  # of a speaker's clear moments; less is a slip, and joins the nearest


class Speakers(NamedTuple):
    """What an output says of its speakers."""

    names: tuple[str, ...]  # in the order of their first moments
    encoder: str  # that told them apart


class Voices:
    """The voices of a recording's moments, in order.

    Arguments
    ---------
    encoder : SpeakerEncoder
        Says whose voice a moment has.
    count : int or None
        Number of speakers; None finds it by the encoder's threshold.

    Raises
    ------
    SettingsError
        If scikit-learn is missing.

    Example
    -------
    >>> from types import SimpleNamespace
    >>> import torch
    >>> stub = SimpleNamespace(name="stub", apart=0.5, embed=lambda wav: torch.eye(2)[int(wav[0])])
    >>> voices = Voices(stub)
    >>> for speaker in (1, 0, 1):
    ...     voices.hear(torch.full((48000,), speaker))
    >>> voices.names()
    ['speaker 1', 'speaker 2', 'speaker 1']
    """

    def __init__(self, encoder: SpeakerEncoder, count: int | None = None) -> None:
        try:
            import sklearn.cluster  # noqa: F401 (before hours of work, not after)
        except ImportError as error:
            raise SettingsError(f"Naming speakers needs scikit-learn. Run: {install_hint('speakers')}") from error
        self.encoder, self._count = encoder, count
        self._voices: list[np.ndarray] = []  # [E] each
        self._seconds: list[float] = []

    def hear(self, wav: Tensor) -> None:
        """Takes the samples of the next moment, [S] at 16 kHz."""
        self._voices.append(self.encoder.embed(wav).numpy())
        self._seconds.append(len(wav) / SAMPLE_RATE)

    def names(self) -> list[str]:
        """The speaker of each moment: ``speaker 1`` speaks first."""
        if not self._voices:
            return []
        found = assign(np.stack(self._voices), np.array(self._seconds), self.encoder.apart, self._count)
        return [f"speaker {number + 1}" for number in found]


class Named:
    """Moments with their speakers; can be read again and again, one at a time.

    Example
    -------
    >>> from speechbrain_xser.answer import Descriptors
    >>> from speechbrain_xser.answer.explanation import Explanation
    >>> moment = Moment(0.0, 1.0, Explanation("", None, Descriptors(), None, {}))
    >>> [one.speaker for one in Named([moment], ["speaker 1"])]
    ['speaker 1']
    """

    def __init__(self, moments: Iterable[Moment], names: Sequence[str]) -> None:
        self._moments, self._names = moments, names

    def __iter__(self) -> Iterator[Moment]:
        for moment, name in zip(self._moments, self._names, strict=True):
            yield moment._replace(speaker=name)


def assign(voices: np.ndarray, seconds: np.ndarray, apart: float, count: int | None = None) -> list[int]:
    """Gives each moment its speaker, from 0 in the order in which they speak.

    Arguments
    ---------
    voices : ndarray
        [N, E], of unit length.
    seconds : ndarray
        Lengths of the moments, [N].
    apart : float
        Cosine distance from which two groups have two speakers.
    count : int or None
        The number of speakers, if it is known.

    Returns
    -------
    list of int
        [N]

    Example
    -------
    >>> assign(np.eye(3)[[0, 1, 0, 2]], np.full(4, 9.0), apart=0.5)
    [0, 1, 0, 2]
    >>> len(set(assign(np.eye(3)[[0, 1, 0, 2]], np.full(4, 9.0), apart=0.5, count=2)))
    2
    """
    clear = _clear(seconds, count or 1)
    sampled = clear[_spread(len(clear))]
    labels = _clustered(voices[sampled], apart, count)
    likeness = voices @ np.stack([_mean(voices[sampled][labels == label]) for label in range(labels.max() + 1)]).T
    found = likeness.argmax(axis=1)
    found[sampled] = labels
    if count is None:
        found = _without_slips(found, likeness, np.bincount(found[clear], seconds[clear]))
    numbers = {label: number for number, label in enumerate(dict.fromkeys(found.tolist()))}
    return [numbers[label] for label in found.tolist()]


def _clear(seconds: np.ndarray, fewest: int) -> np.ndarray:
    """Places of the moments that may found a speaker."""
    places = np.flatnonzero(seconds >= CLEAR_SECONDS)
    return places if len(places) >= fewest else np.arange(len(seconds))


def _spread(number: int) -> np.ndarray:
    """Which of a number of moments are clustered: all, or as many as can be, evenly spread."""
    return np.linspace(0, number - 1, min(number, MOST_CLUSTERED)).round().astype(int)


def _clustered(voices: np.ndarray, apart: float, count: int | None) -> np.ndarray:
    """The groups of voices, [N] int."""
    from sklearn.cluster import AgglomerativeClustering

    if len(voices) == 1:
        return np.zeros(1, int)
    if count is not None:
        return AgglomerativeClustering(min(count, len(voices)), linkage="ward").fit_predict(voices)
    distances = (1 - voices @ voices.T).clip(min=0)  # scikit-learn's own cosine refuses a voice of zeros
    until = {"n_clusters": None, "distance_threshold": apart}
    return AgglomerativeClustering(metric="precomputed", linkage="average", **until).fit_predict(distances)


def _without_slips(found: np.ndarray, likeness: np.ndarray, said: np.ndarray) -> np.ndarray:
    """The speakers [N] without those who say too little, unless all do: of ``said`` [K] seconds.

    Their moments join who is nearest of the others, by ``likeness`` [N, K].
    """
    enough = said >= min(LEAST_SECONDS, said.max())
    nearest = np.where(enough, likeness, -np.inf).argmax(axis=1)
    return np.where(enough[found], found, nearest)


def _mean(voices: np.ndarray) -> np.ndarray:
    mean = voices.mean(axis=0)
    return mean / max(np.linalg.norm(mean), 1e-12)
