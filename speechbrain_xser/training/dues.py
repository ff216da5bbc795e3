"""What an answer is rewarded for, piece by piece: when a piece is settled, and what later mentions make of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from speechbrain_xser.answer.claim import Claim, Verdict
from speechbrain_xser.answer.mentions import labels_named
from speechbrain_xser.answer.parse import emotion_span, parse
from speechbrain_xser.training.clip_facts import Label
from speechbrain_xser.training.emotion_worth import EmotionWorth

SIGNS = {Verdict.SUPPORTED: 1.0, Verdict.CONTRADICTED: -1.0}
Parts = dict[str, float]  # of a reward, by name, before their weights


class Due(NamedTuple):
    """One piece of a reward."""

    first: Parts  # when it is settled: with the first mention
    end: int | None = None  # characters of the answer with which it is settled; None: only by the whole answer
    last: Parts | None = None  # after all mentions; None: the same

    @property
    def final(self) -> Parts:
        """What the reward has of it in the end."""
        return self.first if self.last is None else self.last


def claim_dues(
    claims: Sequence[Claim], named: Mapping[str, Sequence[str]], labels: Mapping[str, Label]
) -> dict[str, Due]:
    """How much of what can be measured an answer has right, and how much wrong.

    Arguments
    ---------
    claims : sequence of Claim
        The answer's.
    named : mapping of str to sequence of str
        All labels that the answer names, by field; two for one field are a contradiction.
    labels : mapping of str to str or tuple of str
        What the sound gives for the fields that can be measured in the clip.

    Returns
    -------
    dict of str to Due
        Of each of these fields: "supported" and "contradicted", as shares of all of them. Several emphasised words
        share theirs.

    Example
    -------
    >>> claim = Claim("pitch", "low", (11, 20), Verdict.SUPPORTED, "low", 90.0, "Hz")
    >>> claim_dues([claim], {"pitch": ("low",)}, {"pitch": "low", "speed": "fast"})["pitch"]
    Due(first={'supported': 0.5, 'contradicted': 0.0}, end=20, last=None)
    >>> hedged = claim_dues([claim], {"pitch": ("low", "high")}, {"pitch": "low", "speed": "fast"})
    >>> hedged["pitch"].final, hedged["speed"].final
    ({'supported': 0.0, 'contradicted': 0.5}, {'supported': 0.0, 'contradicted': 0.0})
    """
    found, share = {}, 1 / max(1, len(labels))
    for field, label in labels.items():
        mine = sorted((claim for claim in claims if claim.field == field), key=_place)
        signs, end = [_sign(claim, label) for claim in mine], mine[0].span[1] if mine and mine[0].span else None
        undecided = len(named.get(field, ())) > 1
        last = _shares([-1.0] if undecided else signs, share) if undecided or len(signs) > 1 else None
        found[field] = Due(_shares(signs[:1], share), end, last)
    return found


def emotion_due(answer: str, worth: EmotionWorth, shares: Mapping[str, float]) -> Due:
    """What the one emotion that an answer names is worth in a clip; nothing if it names several.

    Example
    -------
    >>> worth = EmotionWorth([{"sad": 1.0}])
    >>> emotion_due("A sad man.", worth, {"sad": 1.0}), emotion_due("A sad and angry man.", worth, {"sad": 1.0}).final
    (Due(first={'emotion': 1.0}, end=5, last=None), {'emotion': 0.0})
    """
    span, several = emotion_span(answer), len(labels_named(answer).get("emotion", ())) > 1
    first = {"emotion": worth.of(parse(answer).emotion, shares)}
    return Due(first, None if span is None else span[1], {"emotion": 0.0} if several else None)


def _place(claim: Claim) -> tuple[bool, int]:
    return claim.span is None, claim.span[0] if claim.span else 0


def _sign(claim: Claim, label: Label) -> float:
    """1 for what the sound supports; a pitch is compared with the sound's, whichever gender the answer names."""
    if claim.field == "emphasis":
        return SIGNS.get(claim.verdict, 0.0)
    return 1.0 if claim.said == label else -1.0


def _shares(signs: Sequence[float], share: float) -> Parts:
    """Of one field that is worth ``share`` of all."""
    counts = {"supported": signs.count(1.0), "contradicted": signs.count(-1.0)}
    return {name: share * count / max(1, len(signs)) for name, count in counts.items()}
