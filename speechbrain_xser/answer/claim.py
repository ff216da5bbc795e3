"""What a paragraph claims of a voice, and what the signal says to it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Verdict(StrEnum):
    """What the signal says of a claim.

    Example
    -------
    >>> Verdict.UNMEASURED.value
    'cannot be measured'
    """

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNMEASURED = "cannot be measured"


class Claim(NamedTuple):
    """One thing that a paragraph says of the voice."""

    field: str  # gender, age, pitch, volume, speed, intonation or emphasis
    said: str  # the label, or the emphasised word
    span: tuple[int, int] | None  # where, in characters of the paragraph
    verdict: Verdict
    measured: str | None  # the label that the signal gives
    value: float | None  # what was measured
    unit: str
    percentile: float | None = None  # of pitch, among voices of the gender that it is judged for
