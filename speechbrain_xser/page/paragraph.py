"""A paragraph with its claims marked: underlined by their verdict, with a sign at their end.

Claims may be nested ("young man" is an age, "man" a gender), so the text is cut wherever one starts or ends. A piece
with several claims is underlined for the worst of them, and its tooltip lists all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from speechbrain_xser.answer.claim import Claim, Verdict
from speechbrain_xser.page.claim_table import CLASSES, SIGNS, claim_text
from speechbrain_xser.page.environment import render

WORST = (Verdict.CONTRADICTED, Verdict.SUPPORTED, Verdict.UNMEASURED, Verdict.UNCHECKED)  # the first that occurs counts
MEANINGS = {
    Verdict.SUPPORTED: "supported by the signal",
    Verdict.CONTRADICTED: "contradicted by the signal",
    Verdict.UNMEASURED: "cannot be measured",
    Verdict.UNCHECKED: "not checked",
}


class Sign(NamedTuple):
    """The sign of a verdict."""

    sign: str
    style: str  # class of CSS
    meaning: str
    told: str  # text of the claim; empty in the legend


class Piece(NamedTuple):
    """Text in which no claim starts or ends."""

    text: str
    style: str = ""  # CSS class of the worst verdict; empty outside of claims
    told: str = ""  # text of all claims that cover it
    signs: tuple[Sign, ...] = ()  # signs of the claims that end with it


def marked_paragraph(paragraph: str, claims: Sequence[Claim]) -> str:
    """A paragraph with its claims marked.

    Arguments
    ---------
    paragraph : str
        Any text.
    claims : sequence of Claim
        Its claims; one without a span is not marked.

    Returns
    -------
    str
        HTML of one ``p``.

    Example
    -------
    >>> claim = Claim("gender", "male", (2, 5), Verdict.SUPPORTED, "male", -3.0, "nats")
    >>> print(marked_paragraph("A man & a dog.", [claim]))
    <p class="xser-paragraph">A <mark class="xser-claim xser-supported" title="gender: said male, measured male \
(−3 nats); supported">man<span class="xser-sign xser-supported" role="img" aria-label="supported by the signal" \
title="gender: said male, measured male (−3 nats); supported">✓</span></mark> &amp; a dog.</p>
    """
    placed = [claim for claim in claims if claim.span and _inside(claim.span, len(paragraph))]
    cuts = sorted({0, len(paragraph)}.union(*(_inside(claim.span, len(paragraph)) for claim in placed)))
    pieces = [_piece(paragraph, first, last, placed) for first, last in zip(cuts, cuts[1:], strict=False)]
    return render("paragraph", pieces=pieces)


def legend() -> str:
    """The meaning of the signs, as a list."""
    return render("legend", signs=[_sign(verdict, "") for verdict in MEANINGS])


def _inside(span: tuple[int, int], length: int) -> tuple[int, ...]:
    """A span limited to the text, or nothing if none of it is left."""
    first, last = max(span[0], 0), min(span[1], length)
    return (first, last) if first < last else ()


def _piece(paragraph: str, first: int, last: int, claims: Sequence[Claim]) -> Piece:
    text = paragraph[first:last]
    over = [claim for claim in claims if claim.span[0] <= first and last <= claim.span[1]]
    if not over:
        return Piece(text)
    worst = next(verdict for verdict in WORST if any(claim.verdict == verdict for claim in over))
    ended = [claim for claim in over if min(claim.span[1], len(paragraph)) == last]
    signs = tuple(_sign(claim.verdict, claim_text(claim)) for claim in ended)
    return Piece(text, CLASSES[worst], "\n".join(map(claim_text, over)), signs)


def _sign(verdict: Verdict, told: str) -> Sign:
    return Sign(SIGNS[verdict], CLASSES[verdict], MEANINGS[verdict], told)
