"""What happens to a label when a branch is removed: whether the branch that is said to carry it really does.

By construction, the branch with the larger Shapley value is the one whose removal costs the label more log-odds, so
log-odds cannot test it. Two other things can: the paragraph that is generated again without the branch, with no part of
it given, and how far the probabilities of all classes move (half the sum of their absolute differences).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from speechbrain_xser.answer.parse import parse
from speechbrain_xser.decoder.generation.loop import PLAIN_DECODING, Decoding
from speechbrain_xser.evidence.attribution import Attribution, voice_or_words
from speechbrain_xser.evidence.shapley import ALL, coalition
from speechbrain_xser.lobes.adapter import SoftTokens
from speechbrain_xser.stages import Stage
from speechbrain_xser.utils.modes import evaluating

if TYPE_CHECKING:
    from speechbrain_xser.model import ExplainableSER


class Loss(NamedTuple):
    """The effect of removing one branch from one clip."""

    renamed: bool  # whether the new paragraph names another emotion, or none
    moved: float  # how far the classes' probabilities move, 0 to 1


class Knockout(NamedTuple):
    """The effects of removing each branch from one clip."""

    carrier: str  # the branch with the largest Shapley value
    losses: dict[str, Loss]  # by removed branch

    @property
    def named(self) -> Loss:
        """The effect of removing the carrier."""
        return self.losses[self.carrier]

    @property
    def others(self) -> list[Loss]:
        """The effects of removing each of the other branches."""
        return [loss for branch, loss in self.losses.items() if branch != self.carrier]


@torch.no_grad()
def knock_out(
    model: ExplainableSER,
    tokens: Mapping[str, SoftTokens],
    stage: Stage,
    answers: Sequence[str],
    emotions: Sequence[str],
    decoding: Decoding = PLAIN_DECODING,
) -> list[Knockout]:
    """Removes each branch of some clips in turn, and generates their paragraphs again.

    The arguments are those of :func:`~speechbrain_xser.evidence.attribution.voice_or_words`.
    """
    shares = voice_or_words(model, tokens, stage, answers, emotions)
    options = {"close_quotes": stage.quotes, "decoding": decoding}
    with evaluating(model):
        without = {
            name: model.decoder.generate({**tokens, name: one.off()}, stage.instruction, **options)
            for name, one in tokens.items()
        }
    rewritten = [dict(zip(without, texts, strict=True)) for texts in zip(*without.values(), strict=True)]
    return [_knockout(*clip) for clip in zip(shares, answers, rewritten, strict=True)]


def _knockout(share: Attribution, answer: str, rewritten: Mapping[str, str]) -> Knockout:
    named, distributions, losses = parse(answer).emotion, share.distributions, {}
    for branch, text in rewritten.items():
        rest = distributions[coalition(rewritten, [name for name in rewritten if name != branch])]
        losses[branch] = Loss(parse(text).emotion != named, total_variation(distributions[ALL], rest))
    return Knockout(share.carrier, losses)


def total_variation(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """Half the sum of the absolute differences between two distributions.

    Example
    -------
    >>> total_variation({"angry": 0.75, "sad": 0.25}, {"angry": 0.25, "sad": 0.75})
    0.5
    """
    return 0.5 * sum(abs(first[name] - second[name]) for name in first)
