"""Finds numbers that are not finite in plain values, before they are written as JSON, which has none."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from speechbrain_xser.errors import CheckpointError


def refuse_not_finite(values: Mapping[str, object], what: str) -> None:
    """Raises a ``CheckpointError`` that names the first number that is NaN or infinite.

    Arguments
    ---------
    values : mapping of str to plain values
        Mappings, lists and tuples are searched.
    what : str
        What they are for, at the start of the message.

    Raises
    ------
    CheckpointError
        Names the number by its keys.

    Example
    -------
    >>> refuse_not_finite({"run": {"beta": 0.1}}, "A checkpoint")
    >>> refuse_not_finite({"run": {"beta": 0.1, "rates": [1.0, math.inf]}}, "A checkpoint")
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.CheckpointError: A checkpoint cannot hold run.rates.1, which is inf: expected a finite
    number.
    """
    for name, number in _numbers(values, ""):
        if not math.isfinite(number):
            raise CheckpointError(f"{what} cannot hold {name}, which is {number}: expected a finite number.")


def _numbers(value: object, name: str) -> Iterator[tuple[str, float]]:
    """All floats in a value, by their keys."""
    if isinstance(value, float):
        yield name, value
    parts = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, part in parts:
        yield from _numbers(part, f"{name}.{key}" if name else str(key))
