"""Calibration: whether a probability of 80 % is right eight times in ten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

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


def fit_temperature(probabilities: Sequence[Mapping[str, float]], references: Sequence[str]) -> float:
    """The temperature that calibrates probabilities best (Guo et al., 2017, ICML).

    Arguments
    ---------
    probabilities : sequence of mapping of str to float
        Probabilities of all classes, for each utterance.
    references : sequence of str
        The true class of each utterance.

    Returns
    -------
    float
        ``t``, 0.1 to 10, for which ``p ** (1 / t)``, divided by its sum, has the least cross-entropy.

    Raises
    ------
    MetricError
        If the lengths differ or are 0, or a true class has no probability.

    Example
    -------
    >>> rows = [{"sad": 0.8, "happy": 0.2}] * 10  # as sure of what is right six times in ten
    >>> round(fit_temperature(rows, ["sad"] * 6 + ["happy"] * 4), 2)  # log(0.8 / 0.2) / log(0.6 / 0.4)
    3.42
    """
    if not probabilities or len(probabilities) != len(references):
        raise MetricError(f"{len(probabilities)} rows for {len(references)} references, expected one for each.")
    names = list(probabilities[0])
    if strange := sorted(set(references) - set(names)):
        raise MetricError(f"No probability of {strange[0]!r}; the classes are {', '.join(names)}.")
    scores = np.log([[max(row[name], 1e-12) for name in names] for row in probabilities])
    places = np.array([names.index(one) for one in references])[:, None]

    def cross_entropy(logarithm: float) -> float:
        return -np.take_along_axis(log_softmax(scores / np.exp(logarithm), axis=1), places, axis=1).mean()

    return float(np.exp(minimize_scalar(cross_entropy, bounds=np.log((0.1, 10.0)), method="bounded").x))


def tempered(probabilities: Mapping[str, float], temperature: float) -> dict[str, float]:
    """Probabilities at another temperature: ``p ** (1 / t)``, divided by their sum.

    Example
    -------
    >>> {name: round(share, 3) for name, share in tempered({"sad": 0.8, "happy": 0.2}, 2.0).items()}  # 2 : 1
    {'sad': 0.667, 'happy': 0.333}
    """
    powers = {name: share ** (1 / temperature) for name, share in probabilities.items()}
    whole = sum(powers.values())
    return {name: power / whole for name, power in powers.items()}
