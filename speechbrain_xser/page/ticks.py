"""Round numbers along an axis."""

from __future__ import annotations

import math


def ticks(low: float, high: float, count: int = 4) -> tuple[float, float, list[float]]:
    """First and last tick of an axis, and all its ticks: round numbers, 1, 2 or 5 times a power of ten apart.

    Example
    -------
    >>> ticks(83.0, 412.0)
    (0.0, 500.0, [0.0, 100.0, 200.0, 300.0, 400.0, 500.0])
    """
    if not high > low:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * size for size in (1, 2, 5, 10) if power * size >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    found = [round(place * step, 10) for place in range(first, last + 1)]
    return found[0], found[-1], found
