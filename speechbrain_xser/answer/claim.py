"""What a paragraph claims about a voice, and whether the signal supports it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Verdict(StrEnum):
    """What the signal says about a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNMEASURED = "cannot be measured"


class Claim(NamedTuple):
    """One statement of a paragraph about the voice."""

    field: str  # gender, age, pitch, volume, speed, intonation or emphasis
    said: str  # the label, or the emphasised word
    span: tuple[int, int] | None  # its place, in characters of the paragraph
    verdict: Verdict
    measured: str | None  # the label that the signal gives
    value: float | None  # what was measured
    unit: str
    percentile: float | None = None  # pitch only: its rank among voices of that gender
