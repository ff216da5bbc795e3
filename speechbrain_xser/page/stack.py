"""Probabilities over time as stacked columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Column(NamedTuple):
    """One column of a plot."""

    start: float  # seconds
    end: float
    shares: tuple[float, ...]  # [classes], sum to one


def stack_paths(columns: Sequence[Column], classes: int) -> list[str]:
    """An SVG path for each class, the first at the bottom: x in seconds, y from 1 at the bottom to 0.

    Example
    -------
    >>> stack_paths([Column(1.0, 3.0, (0.25, 0.75))], 2)
    ['M1.00 0.7500h2.00v0.2500h-2.00z', 'M1.00 0.0000h2.00v0.7500h-2.00z']
    """
    paths: list[list[str]] = [[] for _ in range(classes)]
    for start, end, shares in columns:
        top = 1.0
        for path, share in zip(paths, shares, strict=True):
            top -= share
            path.append(f"M{start:.2f} {max(top, 0.0):.4f}h{end - start:.2f}v{share:.4f}h-{end - start:.2f}z")
    return ["".join(path) for path in paths]


def mean_columns(columns: Sequence[Column], seconds: float, count: int) -> list[Column]:
    """Means over equal stretches of time, weighted by the speech in them; stretches without speech are left out.

    Example
    -------
    >>> mean_columns([Column(0.0, 3.0, (1.0, 0.0)), Column(3.0, 4.0, (0.0, 1.0))], 8.0, 2)
    [Column(start=0.0, end=4.0, shares=(0.75, 0.25))]
    """
    width = seconds / count
    sums: dict[int, list[float]] = {}
    for column in columns:
        for place in range(int(column.start / width), min(int(column.end / width), count - 1) + 1):
            overlap = min(column.end, (place + 1) * width) - max(column.start, place * width)
            held = sums.setdefault(place, [0.0] * (len(column.shares) + 1))
            for index, share in enumerate((1.0, *column.shares)):
                held[index] += max(overlap, 0.0) * share
    return [_mean(place, width, *held) for place, held in sorted(sums.items()) if held[0] > 0]


def _mean(place: int, width: float, time: float, *sums: float) -> Column:
    shares = tuple(round(value / time, 4) for value in sums)
    return Column(round(place * width, 3), round((place + 1) * width, 3), shares)
