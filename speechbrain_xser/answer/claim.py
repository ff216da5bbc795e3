"""What a paragraph claims about a clip, and whether the signal supports it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Verdict(StrEnum):
    """What the signal says about a claim."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNMEASURED = "cannot be measured"
    UNCHECKED = "not checked"  # nothing in the signal is compared with it


class Claim(NamedTuple):
    """One statement of a paragraph."""

    field: str  # gender, age, pitch, volume, speed, intonation, emphasis, words, emotion, tone or topic
    said: str  # the label, the emphasised word, or the quoted ones
    span: tuple[int, int] | None  # its place, in characters of the paragraph
    verdict: Verdict
    measured: str | None  # the label that the signal gives, the words that stand out, or those that are heard
    value: float | None  # what was measured
    unit: str
    percentile: float | None = None  # pitch only: its rank among voices of that gender
    expected: tuple[float | None, float | None] | None = None  # the values that fit what was said; None: no limit there
    by: str = ""  # what heard the words, with its verb: "the transcript says"
