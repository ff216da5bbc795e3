"""Scores as a plain-text table, with a column for each model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from speechbrain_xser.utils.plain_table import plain_table

if TYPE_CHECKING:
    from speechbrain_xser.metrics.scores import Scores


def table(columns: dict[str, Scores]) -> str:
    """A plain-text table: a row for each measure, a column for each model, in percent with one decimal, "-" if unknown.

    Arguments
    ---------
    columns : dict of str to Scores
        Models by name.

    Returns
    -------
    str
        Lines without a final newline.

    Example
    -------
    >>> from speechbrain_xser.metrics.scores import Scores
    >>> print(table({"short run": Scores(100.0, 12.34, 75.0, 80.0, {"pitch": 90.0}, math.nan)}))
    measure (%)           short run
    -------------------------------
    answers parsed            100.0
    WER (less is better)       12.3
    UA                         75.0
    WA                         80.0
    pitch right                90.0
    emphasis F1                   -
    """
    names = list(columns)
    rows = [("measure (%)", *names), *(_row(label, columns.values(), pick) for label, pick in _measures(columns))]
    return plain_table(rows)


def _measures(columns: dict[str, Scores]) -> list:
    """Labels, and how to read each from a Scores; descriptors in the order in which they first occur."""
    attributes = dict.fromkeys(name for scores in columns.values() for name in scores.attributes)
    return [
        ("answers parsed", lambda scores: scores.parsed),
        ("WER (less is better)", lambda scores: scores.wer),
        ("UA", lambda scores: scores.ua),
        ("WA", lambda scores: scores.wa),
        *((f"{name} right", lambda scores, name=name: scores.attributes.get(name, math.nan)) for name in attributes),
        ("emphasis F1", lambda scores: scores.emphasis_f1),
    ]


def _row(label: str, columns, pick) -> tuple[str, ...]:
    return (label, *("-" if math.isnan(pick(scores)) else f"{pick(scores):.1f}" for scores in columns))
