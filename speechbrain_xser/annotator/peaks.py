"""Peaks of a curve as ``scipy.signal.find_peaks`` finds them; loading that takes longer than measuring a clip."""

from __future__ import annotations

import numpy as np


def find_peaks(values: np.ndarray, height: float, prominence: float) -> np.ndarray:
    """Places of the peaks that are high and stand out, [P] int64; of a flat top its middle.

    A peak's prominence is what has to be descended on at least one side before there is anything higher.

    Example
    -------
    >>> find_peaks(np.array([0.0, 3.0, 2.5, 4.0, 4.0, 4.0, 0.0, 1.0, 0.0]), height=2.0, prominence=1.0)
    array([4])
    """
    starts = np.append(0, np.flatnonzero(np.diff(values)) + 1)  # of stretches of one value
    levels, stops = values[starts], np.append(starts[1:], len(values))
    tops = [place for place in range(1, len(levels) - 1) if levels[place - 1] < levels[place] > levels[place + 1]]
    kept = [top for top in tops if levels[top] >= height and _prominence(levels, top) >= prominence]
    return np.array([(starts[top] + stops[top] - 1) // 2 for top in kept], dtype=np.int64)


def _prominence(levels: np.ndarray, top: int) -> float:
    higher = np.flatnonzero(levels > levels[top])
    before, after = higher[higher < top], higher[higher > top]
    left = levels[before[-1] + 1 if len(before) else 0 : top + 1].min()
    right = levels[top : after[0] if len(after) else len(levels)].min()
    return levels[top] - max(left, right)
