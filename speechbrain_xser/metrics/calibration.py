"""Calibration: whether a probability of 80 % is right eight times in ten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from speechbrain_xser.errors import MetricError

BINS = 15


def expected_calibration_error(
    probabilities: Sequence[Mapping[str, float]], references: Sequence[str], bins: int = BINS
) -> float:
    """Expected calibration error of the most probable class (Guo et al., 2017, ICML).

    Arguments
    ---------
    probabilities : sequence of mapping of str to float
        Probabilities of all classes, for each utterance; a row sums to one.
    references : sequence of str
        The true class of each utterance.
    bins : int
        Number of bins, of equal width, between 0 and 1.

    Returns
    -------
    float
        Percent: the mean distance between confidence and accuracy, with bins weighted by their utterances.

    Raises
    ------
    MetricError
        If the lengths differ or are 0, or a row does not sum to one.

    Example
    -------
    >>> rows = [{"sad": 0.8, "happy": 0.2}] * 10
    >>> round(expected_calibration_error(rows, ["sad"] * 8 + ["happy"] * 2), 6)
    0.0
    """
    if not probabilities or len(probabilities) != len(references):
        raise MetricError(f"{len(probabilities)} rows for {len(references)} references, expected one for each.")
    sums = [sum(row.values()) for row in probabilities]
    if wrong := [number for number, total in enumerate(sums) if abs(total - 1) > 1e-3]:
        raise MetricError(f"row {wrong[0]}: probabilities sum to {sums[wrong[0]]:.4f}, expected 1.")
    confidences = np.array([max(row.values()) for row in probabilities])
    best = [max(row, key=row.get) for row in probabilities]
    right = np.array([found == wanted for found, wanted in zip(best, references, strict=True)], dtype=float)
    distance = 0.0
    for low, high in pairwise(np.linspace(0, 1, bins + 1)):
        inside = (confidences > low) & (confidences <= high)
        if inside.any():
            distance += inside.mean() * abs(confidences[inside].mean() - right[inside].mean())
    return 100 * float(distance)
