"""How often answers of a certain sureness were right, counted on clips with a label."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

BINS = 5


class SureBin(NamedTuple):
    """Answers whose emotion had about the same probability."""

    low: float  # above this probability
    high: float  # up to this one
    answers: int
    right: int  # of them, that named the label


class Reliability(NamedTuple):
    """A reliability diagram as numbers (Guo et al., 2017, ICML): what a model folder keeps of its calibration.

    Example
    -------
    >>> found = Reliability("CREMA-D", (SureBin(0.0, 0.5, 40, 15), SureBin(0.5, 1.0, 40, 33)))
    >>> found.of(0.5).right, found.of(0.72).right, found.of(None)
    (15, 33, None)
    """

    source: str  # the clips that were counted
    bins: tuple[SureBin, ...]  # from 0 to 1, without gaps

    def of(self, probability: float | None) -> SureBin | None:
        """The answers as sure as one with that probability; None for an answer without a probability."""
        if probability is None:
            return None
        return next((found for found in self.bins if probability <= found.high), self.bins[-1])


def reliability_of(answers: Sequence[tuple[float, bool]], source: str, bins: int = BINS) -> Reliability:
    """Counts how often answers were right, in bins of as many answers each.

    Arguments
    ---------
    answers : sequence of (float, bool)
        Of each answer the probability of the emotion that it names, and whether that emotion is the label.
    source : str
        The clips, in words that a page can show.
    bins : int
        At most; equal probabilities are never parted.

    Returns
    -------
    Reliability
        Bounds are rounded to whole per cent.

    Example
    -------
    >>> found = reliability_of([(0.3, False), (0.4, True), (0.8, True), (0.95, True)], "mine", bins=2)
    >>> [tuple(one) for one in found.bins]
    [(0.0, 0.4, 2, 1), (0.4, 1.0, 2, 2)]
    """
    ordered = sorted(probability for probability, _ in answers)
    inner = {round(ordered[len(ordered) * place // bins - 1], 2) for place in range(1, bins)} - {0.0, 1.0}
    counted = [_counted(answers, low, high) for low, high in pairwise([0.0, *sorted(inner), 1.0])]
    return Reliability(source, tuple(one for one in counted if one.answers))


def _counted(answers: Sequence[tuple[float, bool]], low: float, high: float) -> SureBin:
    inside = [right for probability, right in answers if low < probability <= high or probability == low == 0.0]
    return SureBin(low, high, len(inside), sum(inside))
