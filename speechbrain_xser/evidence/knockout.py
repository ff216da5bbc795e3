"""What a label becomes when a branch is taken out: whether the branch that is said to carry it really does.

By its arithmetic the greater Shapley value belongs to the branch whose loss costs the label more log-odds, so the
log-odds cannot test it. Two other things can: the paragraph that is written anew without the branch, of which nothing
is given, and how far the probabilities of all classes move (half the sum of their absolute differences).
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
    """One clip without one of its branches."""

    renamed: bool  # whether the paragraph that is written anew names another emotion, or none
    moved: float  # how far the classes' probabilities move, 0 to 1


class Knockout(NamedTuple):
    """One clip, and what each branch's loss does to it."""

    carrier: str  # the branch that the Shapley value names
    losses: dict[str, Loss]  # by the branch that is taken out

    @property
    def named(self) -> Loss:
        """What taking out the named branch does."""
        return self.losses[self.carrier]

    @property
    def others(self) -> list[Loss]:
        """What taking out each of the others does."""
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
    """Takes out each branch of some clips in turn.

    Arguments
    ---------
    model, tokens, stage, answers, emotions
        As for :func:`~speechbrain_xser.evidence.attribution.voice_or_words`.
    decoding : Decoding
        Of the paragraphs that are written anew.

    Returns
    -------
    list of Knockout
        One for each clip.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_model
    >>> from speechbrain_xser.stages import SER_STAGE
    >>> model = tiny_model(tempfile.mkdtemp(), max_new_tokens=4)
    >>> tokens = model.encode(torch.randn(1, 16000), torch.tensor([16000]))
    >>> [found] = knock_out(model, tokens, SER_STAGE, ["A man speaks, his anger evident."], ["angry", "sad"])
    >>> found.carrier in tokens, 0 <= found.named.moved <= 1
    (True, True)
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
    """Half the sum of the absolute differences of two distributions.

    Example
    -------
    >>> total_variation({"angry": 0.75, "sad": 0.25}, {"angry": 0.25, "sad": 0.75})
    0.5
    """
    return 0.5 * sum(abs(first[name] - second[name]) for name in first)
