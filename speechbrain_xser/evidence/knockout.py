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
from speechbrain_xser.evidence.attribution import Attribution, switched_off, voice_or_words
from speechbrain_xser.lobes.adapter import SoftTokens
from speechbrain_xser.stages import BRANCHES, Stage
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
    def other(self) -> Loss:
        """What taking out the other one does."""
        return self.losses["content" if self.carrier == "descriptor" else "descriptor"]


@torch.no_grad()
def knock_out(
    model: ExplainableSER,
    content: SoftTokens,
    descriptor: SoftTokens,
    stage: Stage,
    answers: Sequence[str],
    emotions: Sequence[str],
    decoding: Decoding = PLAIN_DECODING,
) -> list[Knockout]:
    """Takes out each branch of some clips in turn.

    Arguments
    ---------
    model, content, descriptor, stage, answers, emotions
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
    >>> [found] = knock_out(model, *tokens, SER_STAGE, ["A man speaks, his anger evident."], ["angry", "sad"])
    >>> found.carrier in BRANCHES, 0 <= found.named.moved <= 1
    (True, True)
    """
    shares = voice_or_words(model, content, descriptor, stage, answers, emotions)
    options = {"close_quotes": stage.quotes, "decoding": decoding}
    with evaluating(model):
        without = {
            "content": model.decoder.generate(switched_off(content), descriptor, stage.instruction, **options),
            "descriptor": model.decoder.generate(content, switched_off(descriptor), stage.instruction, **options),
        }
    rewritten = [dict(zip(BRANCHES, texts, strict=True)) for texts in zip(*map(without.get, BRANCHES), strict=True)]
    return [_knockout(*clip) for clip in zip(shares, answers, rewritten, strict=True)]


def _knockout(share: Attribution, answer: str, rewritten: Mapping[str, str]) -> Knockout:
    both = share.distributions["both"]
    rest = {"content": share.distributions["descriptor"], "descriptor": share.distributions["content"]}
    named = parse(answer).emotion
    losses = {
        branch: Loss(parse(rewritten[branch]).emotion != named, total_variation(both, rest[branch]))
        for branch in BRANCHES
    }
    return Knockout(share.carrier, losses)


def total_variation(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    """Half the sum of the absolute differences of two distributions.

    Example
    -------
    >>> total_variation({"angry": 0.75, "sad": 0.25}, {"angry": 0.25, "sad": 0.75})
    0.5
    """
    return 0.5 * sum(abs(first[name] - second[name]) for name in first)
