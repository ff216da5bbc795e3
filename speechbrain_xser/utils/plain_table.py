"""Formats rows of text as an aligned table, for terminals and logs."""

from __future__ import annotations

from collections.abc import Sequence


def plain_table(rows: Sequence[Sequence[str]]) -> str:
    """Aligns rows under a header, the first column to the left and the others to the right.

    Example
    -------
    >>> print(plain_table([("split", "clips"), ("train", "12"), ("validation", "3")]))
    split       clips
    -----------------
    train          12
    validation      3
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _aligned(row: Sequence[str], widths: list[int]) -> list[str]:
    return [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
