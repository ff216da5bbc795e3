"""Shows a paragraph's claims beside what they were compared with: as a sentence, and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from speechbrain_xser.answer.claim import Claim, Verdict
from speechbrain_xser.page.environment import render
from speechbrain_xser.page.numbers import ordinal, plain

SIGNS = {Verdict.SUPPORTED: "✓", Verdict.CONTRADICTED: "✗", Verdict.UNMEASURED: "?", Verdict.UNCHECKED: "○"}
CLASSES = {
    Verdict.SUPPORTED: "xser-supported",
    Verdict.CONTRADICTED: "xser-contradicted",
    Verdict.UNMEASURED: "xser-unmeasured",
    Verdict.UNCHECKED: "xser-unchecked",
}
HEADER = ("claim", "said", "measured", "compared", "verdict")
BOUNDED = {"words": "what fits", "emphasis": "emphasis"}  # what a bound is about, where it is not what was said


def claim_text(claim: Claim) -> str:
    """The claim and what it was compared with, as one line of plain text.

    Example
    -------
    >>> claim_text(Claim("pitch", "low", (0, 3), Verdict.CONTRADICTED, "normal", 142.4, "Hz", None, (None, 124.7)))
    'pitch: said low, measured normal (142 Hz; low ends at 125 Hz); contradicted'
    >>> heard = ("Go on.", 100.0, "% likely", None, (0.1, None), "Whisper's decoder hears")
    >>> claim_text(Claim("words", "go on", None, Verdict.SUPPORTED, *heard))
    "words: said go on, Whisper's decoder hears Go on. (100 % likely; what fits begins at 0.1 % likely); supported"
    >>> claim_text(Claim("topic", "politics", None, Verdict.UNCHECKED, None, None, ""))
    'topic: said politics; not checked'
    """
    told, inside = f"{claim.field}: said {claim.said}", comparison(claim)
    if found := " ".join(filter(None, (claim.by or claim.measured and "measured", claim.measured))):
        told += f", {found}"
    if inside:
        told += f" ({inside})"
    return f"{told}; {claim.verdict.value}"


def comparison(claim: Claim) -> str:
    """What was measured, and where what was said begins or ends; empty if nothing was measured."""
    if claim.value is None:
        return ""
    value = f"{plain(claim.value)} {claim.unit}".strip()
    return "; ".join(part for part in (", ".join(filter(None, (value, percentile(claim)))), bound(claim)) if part)


def bound(claim: Claim) -> str:
    """The values that fit what was said, in words; empty if unknown.

    Example
    -------
    >>> bound(Claim("pitch", "normal", None, Verdict.SUPPORTED, "normal", 142.4, "Hz", None, (124.7, 214.5)))
    'normal is 125 to 214 Hz'
    """
    name, (low, high) = BOUNDED.get(claim.field, claim.said), claim.expected or (None, None)
    if low is not None and high is not None:
        return f"{name} is {plain(low)} to {plain(high)} {claim.unit}"
    if low is not None:
        return f"{name} begins at {plain(low)} {claim.unit}"
    return "" if high is None else f"{name} ends at {plain(high)} {claim.unit}"


def percentile(claim: Claim) -> str:
    """The value's percentile among reference clips, or an empty text if unknown."""
    place = claim.percentile
    return "" if place is None else f"{ordinal(place)} percentile"


def claims_table(claims: Sequence[Claim]) -> str:
    """A row for each claim.

    Arguments
    ---------
    claims : sequence of Claim
        In the order of the rows.

    Returns
    -------
    str
        HTML; a sentence if there is no claim.

    Example
    -------
    >>> claim = Claim("pitch", "low", (0, 3), Verdict.SUPPORTED, "low", 98.0, "Hz")
    >>> '<th scope="row">pitch</th>' in claims_table([claim]), "98 Hz" in claims_table([claim])
    (True, True)
    """
    if not claims:
        return render("note", text="The paragraph says nothing of the voice.")
    return render("claims", header=HEADER, rows=[_row(claim) for claim in claims])


class Row(NamedTuple):
    """A row of the table."""

    claim: Claim
    measured: str
    compared: str
    style: str  # class of CSS
    sign: str


def _row(claim: Claim) -> Row:
    measured = " ".join(filter(None, (claim.by, claim.measured)))
    return Row(claim, measured, comparison(claim), CLASSES[claim.verdict], SIGNS[claim.verdict])
