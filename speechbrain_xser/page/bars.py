"""Bars: probabilities of the emotions, what each branch carries, and the weights of the encoder's layers."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

from speechbrain_xser.evidence.shapley import ALL, NONE
from speechbrain_xser.page.branches import KNOWN, Shown, shown
from speechbrain_xser.page.numbers import percent, signed

if TYPE_CHECKING:
    from torch import Tensor

    from speechbrain_xser.evidence.attribution import Attribution
    from speechbrain_xser.evidence.localization import Where

SMALLEST_SCALE = 1.0  # nats; bars of an effect that is next to nothing stay short
MOST_LABELS = 13  # columns of layers that have room for their values


def probability_bars(probabilities: Mapping[str, float], named: str | None) -> str:
    """A bar for each emotion, the most probable first.

    Arguments
    ---------
    probabilities : mapping of str to float
        Of the emotions; they sum to one.
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
    rows = "".join(_probability(emotion, share, emotion == named) for emotion, share in ordered)
    return f'<table class="xser-bars" aria-label="Probability of each emotion">\n<tbody>\n{rows}</tbody></table>'


def _probability(emotion: str, share: float, named: bool) -> str:
    marked = ' class="xser-named"' if named else ""
    return (
        f'<tr{marked}><th scope="row">{"▸ " if named else ""}{escape(emotion)}</th><td><div class="xser-track">'
        f'<div class="xser-fill" style="left:0;width:{100 * share:.2f}%"></div></div></td>'
        f'<td class="xser-number">{percent(share)}</td></tr>\n'
    )


def branch_bar(attribution: Attribution) -> str:
    """What each branch carries of the label's log-odds: to the right for the label, to the left against it.

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
    rows = "".join(_branch(shown(name), nats, scale) for name, nats in attribution.shares.items())
    label = escape(attribution.emotion)
    carriers = escape(" and ".join(shown(name).name for name in attribution.shares))
    return (
        f'<table class="xser-bars" aria-label="What {carriers} carry of the label {label}">\n<tbody>\n{rows}'
        f'<tr class="xser-sum"><th scope="row">together</th><td><div class="xser-ends"><span>← against</span>'
        f'<span>for “{label}” →</span></div></td><td class="xser-number">{signed(attribution.total)} nats</td></tr>\n'
        "</tbody></table>"
    )


def _branch(branch: Shown, nats: float, scale: float) -> str:
    width = 50 * abs(nats) / scale
    left = 50.0 - width if nats < 0 else 50.0
    place = f"left:{left:.2f}%;width:{width:.2f}%"
    return (
        f'<tr><th scope="row">{escape(branch.name)}</th><td><div class="xser-track">'
        f'<div class="xser-fill {branch.kind}" style="{place}"></div><div class="xser-zero"></div></div></td>'
        f'<td class="xser-number">{signed(nats)} nats</td></tr>\n'
    )


def distributions_table(distributions: Mapping[str, Mapping[str, float]]) -> str:
    """Probabilities of every emotion, a column for each thing that was heard.

    Arguments
    ---------
    distributions : mapping of str to mapping
        Probabilities by emotion, by the column's name; those of ``attribution.distributions`` are put in plain words.

    Returns
    -------
    str
        HTML.

    Example
    -------
    >>> table = distributions_table({"all": {"sad": 0.25, "angry": 0.75}})
    >>> '<th scope="col" class="xser-number">all branches</th>' in table
    True
    """
    head = "".join(f'<th scope="col" class="xser-number">{escape(_heard(name))}</th>' for name in distributions)
    emotions = next(iter(distributions.values()), {})
    rows = "".join(
        f'<tr><th scope="row">{escape(emotion)}</th>'
        + "".join(f'<td class="xser-number">{percent(shares[emotion])}</td>' for shares in distributions.values())
        + "</tr>\n"
        for emotion in emotions
    )
    return (
        '<div class="xser-scroll" tabindex="0" role="region" aria-label="Probabilities by what was heard">'
        f'<table class="xser-table xser-shares">\n<thead><tr><th scope="col">emotion</th>{head}</tr></thead>\n'
        f"<tbody>\n{rows}</tbody></table></div>"
    )


def _heard(name: str) -> str:
    """What was heard, in plain words: a coalition of branches, or what has a name of its own."""
    whole = {ALL: "all branches", NONE: "no branch"}
    only = f"{shown(name).name} only" if name in KNOWN else " and ".join(shown(part).name for part in name.split("+"))
    return whole.get(name, only)


def layer_bars(where: Where) -> str:
    """Which layers of the encoder each branch listens to.

    Arguments
    ---------
    where : Where
        Of one clip.

    Returns
    -------
    str
        HTML; a sentence for a branch that sums no layers.

    Example
    -------
    >>> import torch
    >>> from speechbrain_xser.evidence.localization import BranchTrace, Where
    >>> one, none = (BranchTrace(None, torch.zeros(2), weights, 0.1) for weights in (torch.tensor([0.25, 0.75]), None))
    >>> bars = layer_bars(Where("sad", {"content": one, "descriptor": none}, 0.02))
    >>> "layer 2: 75.0 %" in bars, "sums no layers" in bars
    (True, True)
    """
    pairs = [(shown(name), trace.layer_weights) for name, trace in where.branches.items()]
    figures = "".join(_layers(escape(branch.title), branch.kind, weights) for branch, weights in pairs)
    return f'<div class="xser-layers">{figures}</div>'


def _layers(name: str, kind: str, weights: Tensor | None) -> str:
    if weights is None:
        return f"<figure><figcaption>{name}: this branch is off or sums no layers.</figcaption></figure>"
    shares = weights.tolist()
    told = ", ".join(f"layer {place}: {percent(share)}" for place, share in enumerate(shares, start=1))
    columns = "".join(_column(kind, share, max(shares), len(shares)) for share in shares)
    step = 1 if len(shares) <= MOST_LABELS else 4
    places = "".join(f"<span>{place if place % step == 0 else ''}</span>" for place in range(1, len(shares) + 1))
    return (
        f'<figure role="img" aria-label="{name}: {told}"><figcaption>{name}</figcaption>'
        f'<div class="xser-columns">{columns}</div><div class="xser-places">{places}</div></figure>'
    )


def _column(kind: str, share: float, largest: float, count: int) -> str:
    shown = f"<span>{100 * share:.0f}</span>" if count <= MOST_LABELS else ""
    height = 100 * share / largest if largest > 0 else 0
    return f'<div class="xser-column {kind}" style="height:{height:.1f}%" title="{percent(share)}">{shown}</div>'
