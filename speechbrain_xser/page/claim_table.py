"""Shows a paragraph's claims beside what was measured: as a sentence, and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from speechbrain_xser.answer.claim import Claim, Verdict
from speechbrain_xser.page.environment import render
from speechbrain_xser.page.numbers import ordinal, plain

SIGNS = {Verdict.SUPPORTED: "✓", Verdict.CONTRADICTED: "✗", Verdict.UNMEASURED: "?"}
CLASSES = {
    Verdict.SUPPORTED: "xser-supported",
    Verdict.CONTRADICTED: "xser-contradicted",
    Verdict.UNMEASURED: "xser-unmeasured",
}
HEADER = ("claim", "said", "measured", "value", "verdict")


def claim_text(claim: Claim) -> str:
    """The claim and the measurement as one line of plain text.

    Example
    -------
    >>> claim_text(Claim("pitch", "low", (0, 3), Verdict.CONTRADICTED, "normal", 142.4, "Hz"))
    'pitch: said low, measured normal (142 Hz); contradicted'
    >>> claim_text(Claim("age", "elderly", None, Verdict.UNMEASURED, None, None, ""))
    'age: said elderly; cannot be measured'
    """
    inside = [part for part in (measured_value(claim), percentile(claim)) if part]
    told = f"{claim.field}: said {claim.said}"
    if claim.measured is not None:
        told += f", measured {claim.measured}"
    if inside:
        told += f" ({', '.join(inside)})"
    return f"{told}; {claim.verdict.value}"


def measured_value(claim: Claim) -> str:
    """The value with its unit, or an empty text."""
    return "" if claim.value is None else f"{plain(claim.value)} {claim.unit}".strip()


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
    >>> '<th scope="row">pitch</th>' in claims_table([claim]), "98" in claims_table([claim])
    (True, True)
    """
    if not claims:
        return render("note", text="The paragraph says nothing of the voice.")
    return render("claims", header=HEADER, rows=[_row(claim) for claim in claims])


class Row(NamedTuple):
    """A row of the table."""

    claim: Claim
    aside: str  # unit and percentile of the value
    style: str  # class of CSS
    sign: str


def _row(claim: Claim) -> Row:
    aside = ", ".join(part for part in (claim.unit, percentile(claim)) if part)
    return Row(claim, aside, CLASSES[claim.verdict], SIGNS[claim.verdict])
