"""Bars for the emotions' probabilities, the branches' contributions, and the weights of the encoder's layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from speechbrain_xser.evidence.shapley import ALL, NONE
from speechbrain_xser.page.branches import KNOWN, Shown, shown
from speechbrain_xser.page.environment import render
from speechbrain_xser.page.numbers import percent

if TYPE_CHECKING:
    from speechbrain_xser.evidence.attribution import Attribution
    from speechbrain_xser.evidence.localization import BranchTrace, Where

SMALLEST_SCALE = 1.0  # nats; keeps the bars of tiny effects short
MOST_LABELS = 13  # more columns leave no room for their values


def probability_bars(probabilities: Mapping[str, float], named: str | None) -> str:
    """A bar for each emotion, the most probable first.

    Arguments
    ---------
    probabilities : mapping of str to float
        Probabilities of the emotions; they sum to one.
    named : str or None
        The emotion that the paragraph names.

    Returns
    -------
    str
        HTML of one table.

    Example
    -------
    >>> bars = probability_bars({"sad": 0.25, "angry": 0.75}, "angry")
    >>> bars.index("75.0 %") < bars.index("25.0 %"), bars.count('class="xser-named"')
    (True, 1)
    """
    ordered = sorted(probabilities.items(), key=lambda pair: -pair[1])
    return render("probabilities", rows=ordered, named=named)


def branch_bar(attribution: Attribution) -> str:
    """How much each branch contributes to the label's log-odds: right for the label, left against it.

    Arguments
    ---------
    attribution : Attribution
        Of one clip.

    Returns
    -------
    str
        HTML.

    Example
    -------
    >>> from speechbrain_xser.evidence.attribution import Attribution
    >>> bar = branch_bar(Attribution("sad", {"content": -0.5, "descriptor": 2.0}, {}))
    >>> "left:37.50%;width:12.50%" in bar, "left:50.00%;width:50.00%" in bar, "+1.50 nats" in bar
    (True, True, True)
    """
    scale = max(SMALLEST_SCALE, *map(abs, attribution.shares.values()))
    bars = [_bar(shown(name), nats, scale) for name, nats in attribution.shares.items()]
    carriers = " and ".join(bar.name for bar in bars)
    return render("branches", label=attribution.emotion, carriers=carriers, bars=bars, total=attribution.total)


class Bar(NamedTuple):
    """A bar that starts in the middle of its track."""

    name: str
    style: str  # class of CSS
    nats: float
    left: float  # percent of the track
    width: float


def _bar(branch: Shown, nats: float, scale: float) -> Bar:
    width = 50 * abs(nats) / scale
    return Bar(branch.name, branch.kind, nats, 50.0 - width if nats < 0 else 50.0, width)


def distributions_table(distributions: Mapping[str, Mapping[str, float]]) -> str:
    """Probabilities of every emotion, with a column for each coalition of branches or voice.

    Example
    -------
    >>> table = distributions_table({"all": {"sad": 0.25, "angry": 0.75}})
    >>> '<th scope="col" class="xser-number">all branches</th>' in table
    True
    """
    rows = [
        (emotion, [shares[emotion] for shares in distributions.values()])
        for emotion in next(iter(distributions.values()), {})
    ]
    return render("distributions", names=[_heard(name) for name in distributions], rows=rows)


def _heard(name: str) -> str:
    """The name of a column in plain words: a coalition of branches, or a name of its own."""
    whole = {ALL: "all branches", NONE: "no branch"}
    only = f"{shown(name).name} only" if name in KNOWN else " and ".join(shown(part).name for part in name.split("+"))
    return whole.get(name, only)


def layer_bars(where: Where) -> str:
    """The encoder layers that each branch uses.

    Arguments
    ---------
    where : Where
        Of one clip.

    Returns
    -------
    str
        HTML; a sentence for a branch that does not combine layers.

    Example
    -------
    >>> import torch
    >>> from speechbrain_xser.evidence.localization import BranchTrace, Where
    >>> one, none = (BranchTrace(None, torch.zeros(2), weights, 0.1) for weights in (torch.tensor([0.25, 0.75]), None))
    >>> bars = layer_bars(Where("sad", {"content": one, "descriptor": none}, 0.02))
    >>> "layer 2: 75.0 %" in bars, "sums no layers" in bars
    (True, True)
    """
    layers = [_layers(shown(name), trace) for name, trace in where.branches.items()]
    return render("layers", branches=layers, most_labels=MOST_LABELS)


class Layers(NamedTuple):
    """How much a branch uses each layer."""

    name: str
    style: str  # class of CSS
    shares: list[float] | None  # sum to one; None if the branch is off or does not combine layers
    told: str = ""  # the text for a screen reader
    largest: float = 0.0
    step: int = 1  # between the layer numbers that are written


def _layers(branch: Shown, trace: BranchTrace) -> Layers:
    if trace.layer_weights is None:
        return Layers(branch.title, branch.kind, None)
    shares = trace.layer_weights.tolist()
    told = ", ".join(f"layer {place}: {percent(share)}" for place, share in enumerate(shares, start=1))
    return Layers(branch.title, branch.kind, shares, told, max(shares), 1 if len(shares) <= MOST_LABELS else 4)
