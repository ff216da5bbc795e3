"""Faithfulness as tables."""

from __future__ import annotations

from collections.abc import Sequence

from speechbrain_xser.evidence.faithfulness_scores import FIELDS, Faithfulness, Support, carried
from speechbrain_xser.utils.sheet import Sheet

CLAIMS_NOTE = (
    "Claims of the paragraphs compared with the annotator's measurements of the clips; percent of the claims that can "
    "be measured. The annotator makes errors too: see docs/annotator.md."
)
CARRIED_NOTE = (
    "The Shapley value names the branch that carries a label. Relabelled: percent of clips whose paragraph names "
    "another emotion when that branch, or the other one, is off. Moved further: percent of clips whose probabilities "
    "change more without the named branch than without the other; 50 would be chance. In log-odds, removing the named "
    "branch always costs the label more, by construction."
)


def claims_sheet(runs: Sequence[Faithfulness]) -> Sheet:
    """How far the signal supports the claims about each descriptor, for one model or summed over several seeds.

    Example
    -------
    >>> print(claims_sheet([Faithfulness({"pitch": Support(3, 1, 0)}, ())]).csv())
    descriptor,supported %,supported,contradicted,cannot be measured
    pitch,75.0,3,1,0
    <BLANKLINE>
    """
    rows = []
    for field in FIELDS:
        told = [run.claims[field] for run in runs if field in run.claims]
        if told:
            total = Support(*(sum(counts) for counts in zip(*told, strict=True)))
            share = "-" if total.share is None else f"{total.share:.1f}"
            rows.append((field, share, *map(str, total)))
    header = ("descriptor", "supported %", "supported", "contradicted", "cannot be measured")
    return Sheet("claims", "Claims that the signal supports", header, tuple(rows), (CLAIMS_NOTE,))


def carried_sheet(runs: Sequence[Faithfulness]) -> Sheet:
    """Compares the effects of removing branches, over the clips of one model or of several seeds."""
    knockouts = [one for run in runs for one in run.knockouts]
    found = carried(knockouts)
    rows = (
        ("labels that the voice carries, %", f"{found.by_voice:.1f}"),
        ("relabelled without the named branch, %", f"{found.renamed_named:.1f}"),
        ("relabelled without the other branch, %", f"{found.renamed_other:.1f}"),
        ("moved further without the named branch, %", f"{found.moved_more:.1f}"),
        ("clips", str(len(knockouts))),
    )
    return Sheet("carriers", "The branch that carries a label", ("of the clips", "value"), rows, (CARRIED_NOTE,))
