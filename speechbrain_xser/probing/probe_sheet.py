"""Probes as a table."""

from __future__ import annotations

from collections.abc import Sequence

from speechbrain_xser.probing.probes import CONTENT, Probe
from speechbrain_xser.utils.sheet import Sheet

NOTES = (
    "Accuracy in percent of logistic regression on the mean and the standard deviation of a clip's frames, trained on "
    "other speakers; for the speaker, on other clips of the same speakers. In brackets: difference from the weighted "
    "sum of the encoder's layers in equal parts, before any bottleneck.",
    "For the content, the figure is the character error rate of a linear CTC probe: the lower, the more is kept.",
)


def probe_sheet(runs: Sequence[Sequence[Probe]]) -> Sheet:
    """The probes of one model, or of the same system's several seeds.

    Arguments
    ---------
    runs : sequence of sequence of Probe
        One sequence a model.

    Returns
    -------
    Sheet
        Means over the models; what a branch has lost stands in brackets, as the difference from the weighted sum.
    """
    body = []
    for probes in zip(*runs, strict=True):
        first, names = probes[0], list(probes[0].views)
        whole, *kept = [sum(probe.views[view] for probe in probes) / len(probes) for view in names]
        cells = [f"{whole:.1f}", *(f"{mean:.1f} ({mean - whole:+.1f})" for mean in kept)]
        majority = "-" if first.majority is None else f"{first.majority:.1f}"
        body.append((first.name, *cells, majority, str(first.clips)))
    notes = NOTES if any(probe.name == CONTENT for probe in runs[0]) else NOTES[:1]
    header = ("property", *runs[0][0].views, "most frequent", "clips")
    return Sheet("probes", "What the branches keep", header, tuple(body), notes)
