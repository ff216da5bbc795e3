"""Tests whether a difference between two systems is more than chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from speechbrain_xser.errors import MetricError


class Interval(NamedTuple):
    """A confidence interval around a measured value."""

    low: float
    value: float
    high: float


def paired_t_test(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The one-tailed paired t-test over utterances, as in the paper.

    Arguments
    ---------
    ours, theirs : sequence of float
        A score for each utterance, larger is better, in the same order.

    Returns
    -------
    float
        The probability that chance gives ours a lead this large; 1 if no utterance differs.

    Raises
    ------
    MetricError
        If the lengths differ or there are fewer than two utterances.

    Example
    -------
    >>> paired_t_test([1, 1, 1, 0], [0, 0, 1, 0]) < paired_t_test([0, 0, 1, 0], [1, 1, 1, 0])
    True
    """
    ours, theirs = _pair(ours, theirs)
    if not (ours != theirs).any():
        return 1.0
    return float(stats.ttest_rel(ours, theirs, alternative="greater").pvalue)


def mcnemar_test(ours: Sequence[bool], theirs: Sequence[bool]) -> float:
    """McNemar's exact test on which utterances are labelled correctly.

    Arguments
    ---------
    ours, theirs : sequence of bool
        Whether each utterance is correct.

    Returns
    -------
    float
        Two-sided; 1 if both are correct on the same utterances.

    Raises
    ------
    MetricError
        As :func:`paired_t_test`.

    Example
    -------
    >>> mcnemar_test([True] * 6 + [False], [False] * 6 + [False])  # 2 * (1/2) ** 6
    0.03125
    """
    ours, theirs = _pair(ours, theirs)
    won, lost = int((ours > theirs).sum()), int((ours < theirs).sum())
    return float(stats.binomtest(won, won + lost).pvalue) if won + lost else 1.0


def bootstrap_interval(
    items: Sequence,
    statistic: Callable[[list], float] = lambda items: float(np.mean(items)),
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> Interval:
    """A percentile bootstrap interval over utterances.

    Arguments
    ---------
    items : sequence
        One for each utterance: a score, or whatever the statistic takes.
    statistic : Callable
        Takes a list of items; the mean by default.
    level : float
        Share of the draws inside the interval.
    draws : int
        Number of draws with replacement.
    seed : int
        Seed of the draws.

    Returns
    -------
    Interval
        Without the draws whose statistic is NaN.

    Raises
    ------
    MetricError
        If there are no items, or the level is not between 0 and 1.

    Example
    -------
    >>> low, value, high = bootstrap_interval([0.0, 1.0] * 50)
    >>> value, low < 0.5 < high, (low, value, high) == bootstrap_interval([0.0, 1.0] * 50)
    (0.5, True, True)
    """
    items = list(items)
    if not items or not 0 < level < 1:
        raise MetricError(f"{len(items)} items at level {level}, expected at least one and a level between 0 and 1.")
    numbers = np.random.default_rng(seed)
    found = [statistic([items[n] for n in numbers.integers(len(items), size=len(items))]) for _ in range(draws)]
    low, high = np.nanpercentile(found, (50 * (1 - level), 50 * (1 + level)))
    return Interval(float(low), float(statistic(items)), float(high))


def holm(probabilities: Sequence[float]) -> list[float]:
    """Holm's correction (1979) for the number of comparisons in a table.

    Arguments
    ---------
    probabilities : sequence of float
        The p-value of each comparison.

    Returns
    -------
    list of float
        Corrected, in the same order; at most 1.

    Example
    -------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order, corrected, largest = np.argsort(probabilities), [0.0] * len(probabilities), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * probabilities[place]))
        corrected[place] = float(largest)
    return corrected


def _pair(ours: Sequence[float], theirs: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    if ours.shape != theirs.shape or ours.ndim != 1 or len(ours) < 2:
        raise MetricError(
            f"{len(ours)} and {len(theirs)} utterances, expected the same ones for both systems, at least two."
        )
    return ours, theirs
