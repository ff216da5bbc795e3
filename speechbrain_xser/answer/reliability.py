"""How often answers of a certain sureness were right, counted on clips with a label."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

BINS = 5


class SureBin(NamedTuple):
    """Answers whose emotion had about the same probability."""

    low: float  # above this probability; a bin that begins at 0 holds 0 too
    high: float  # up to this one
    answers: int
    right: int  # of them, that named the label

    def holds(self, probability: float) -> bool:
        """Whether an answer with that probability belongs here; 1 and a rounding error count as 1.

        Example
        -------
        >>> found = SureBin(0.0, 0.5, 40, 15)
        >>> [found.holds(probability) for probability in (0.0, 0.5, 0.51)]
        [True, True, False]
        """
        return self.low < min(probability, 1.0) <= self.high or probability == self.low == 0.0


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
        """The answers as sure as one with that probability; None for an answer without one, or if none were counted."""
        if probability is None:
            return None
        return next((found for found in self.bins if found.holds(probability)), None)


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
        Bounds are rounded to whole per cent. A bin without answers is part of its neighbour.

    Example
    -------
    >>> found = reliability_of([(0.3, False), (0.4, True), (0.8, True), (0.95, True)], "mine", bins=2)
    >>> [tuple(one) for one in found.bins]
    [(0.0, 0.4, 2, 1), (0.4, 1.0, 2, 2)]
    """
    ordered = sorted(probability for probability, _ in answers)
    inner = {round(ordered[len(ordered) * place // bins - 1], 2) for place in range(1, bins)} - {0.0, 1.0}
    bounds = [0.0]
    for bound in (*sorted(inner), 1.0):
        if _counted(answers, bounds[-1], bound).answers:
            bounds.append(bound)
    bounds[-1] = 1.0  # without answers above the last bin, it takes the rest
    return Reliability(source, tuple(_counted(answers, low, high) for low, high in pairwise(bounds)))


def _counted(answers: Sequence[tuple[float, bool]], low: float, high: float) -> SureBin:
    found = SureBin(low, high, 0, 0)
    inside = [right for probability, right in answers if found.holds(probability)]
    return found._replace(answers=len(inside), right=sum(inside))
