"""Voice or words: how much of a label's log-odds each branch carries, and the label with another clip's voice.

The two branches are the players of a game whose value is the label's log-odds; a branch that does not play is in its
trained "off" state, zero vectors of the same count. With two players the Shapley values are exact after four
evaluations, and they add up to what both together are worth::

    content    = 0.5 * ((v(content) - v(neither)) + (v(both) - v(descriptor)))
    descriptor = 0.5 * ((v(descriptor) - v(neither)) + (v(both) - v(content)))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from speechbrain_xser.answer.parse import parse
from speechbrain_xser.lobes.adapter import SoftTokens
from speechbrain_xser.utils.modes import evaluating

if TYPE_CHECKING:
    from speechbrain_xser.model import ExplainableSER
    from speechbrain_xser.stages import Stage

COALITIONS = {"both": (True, True), "content": (True, False), "descriptor": (False, True), "neither": (False, False)}
SMALLEST = 1e-12  # of a probability, so that log-odds stay finite


class Attribution(NamedTuple):
    """One utterance's label, taken apart.

    Example
    -------
    >>> round(Attribution("sad", 0.5, 1.25, {}).total, 2)
    1.75
    """

    emotion: str  # the label that is explained
    content: float  # nats of its log-odds that what is said carries
    descriptor: float  # nats that how it is said carries
    distributions: dict[str, dict[str, float]]  # the classes' probabilities, for each of COALITIONS

    @property
    def carrier(self) -> str:
        """The branch with the greater share, "content" or "descriptor"."""
        return "content" if self.content > self.descriptor else "descriptor"

    @property
    def total(self) -> float:
        """Log-odds with both branches, less those with neither."""
        return self.content + self.descriptor


@torch.no_grad()
def voice_or_words(
    model: ExplainableSER,
    content: SoftTokens,
    descriptor: SoftTokens,
    stage: Stage,
    answers: Sequence[str],
    emotions: Sequence[str],
) -> list[Attribution]:
    """The share of each branch in the emotion that an answer names; the text before it is given.

    Sources: Shapley (1953, Contributions to the Theory of Games II); Lundberg & Lee (2017, NeurIPS).

    Arguments
    ---------
    model : ExplainableSER
        With a decoder that gives probabilities.
    content, descriptor : SoftTokens
        From ``model.encode``, [B, K, e] with counts [B].
    stage : Stage
        Its instruction.
    answers : sequence of str
        B answers; where one names no emotion of the model, the most probable is explained.
    emotions : sequence of str
        C classes.

    Returns
    -------
    list of Attribution
        B of them.

    Example
    -------
    >>> import tempfile
    >>> from speechbrain_xser.testing import tiny_model
    >>> from speechbrain_xser.stages import SER_STAGE
    >>> model = tiny_model(tempfile.mkdtemp())
    >>> tokens = model.encode(torch.randn(1, 16000), torch.tensor([16000]))
    >>> [found] = voice_or_words(model, *tokens, SER_STAGE, ["A man speaks, his anger evident."], ["angry", "sad"])
    >>> found.emotion, sorted(found.distributions)
    ('angry', ['both', 'content', 'descriptor', 'neither'])
    """
    found = {}
    with evaluating(model):
        for name, (said, heard) in COALITIONS.items():
            tokens = content if said else switched_off(content), descriptor if heard else switched_off(descriptor)
            found[name] = model.decoder.emotion_probabilities(*tokens, stage.instruction, answers, emotions).cpu()
    labels = [_label(answer, row, emotions) for answer, row in zip(answers, found["both"], strict=True)]
    return [_attribution(row, label, found, emotions) for row, label in enumerate(labels)]


@torch.no_grad()
def with_voice(
    model: ExplainableSER,
    content: SoftTokens,
    voice: SoftTokens,
    stage: Stage,
    answers: Sequence[str],
    emotions: Sequence[str],
) -> Tensor:
    """The classes' probabilities when the descriptor branch heard another clip.

    Arguments
    ---------
    model, content, stage, answers, emotions
        As for :func:`voice_or_words`.
    voice : SoftTokens
        Descriptor tokens of other clips, [B, K', e] with counts [B], or of one clip for all, [1, K', e].

    Returns
    -------
    Tensor
        [B, C].
    """
    rows = len(content.counts)
    if len(voice.counts) == 1:
        voice = SoftTokens(voice.embeddings.expand(rows, -1, -1), voice.counts.expand(rows))
    with evaluating(model):
        return model.decoder.emotion_probabilities(content, voice, stage.instruction, answers, emotions)


def switched_off(tokens: SoftTokens) -> SoftTokens:
    """A branch that is off, as training has it.

    Example
    -------
    >>> switched_off(SoftTokens(torch.ones(1, 1, 2), torch.tensor([1]))).embeddings
    tensor([[[0., 0.]]])
    """
    return tokens._replace(embeddings=torch.zeros_like(tokens.embeddings))


def _label(answer: str, probabilities: Tensor, emotions: Sequence[str]) -> int:
    named = parse(answer).emotion
    return emotions.index(named) if named in emotions else int(probabilities.argmax())


def _attribution(row: int, label: int, found: dict[str, Tensor], emotions: Sequence[str]) -> Attribution:
    value = {name: _log_odds(float(probabilities[row, label])) for name, probabilities in found.items()}
    content = 0.5 * ((value["content"] - value["neither"]) + (value["both"] - value["descriptor"]))
    descriptor = 0.5 * ((value["descriptor"] - value["neither"]) + (value["both"] - value["content"]))
    distributions = {name: dict(zip(emotions, rows[row].tolist(), strict=True)) for name, rows in found.items()}
    return Attribution(emotions[label], content, descriptor, distributions)


def _log_odds(probability: float) -> float:
    """``log(p / (1 - p))``.

    Example
    -------
    >>> _log_odds(0.5)
    0.0
    """
    kept = torch.tensor(probability, dtype=torch.float64).clamp(SMALLEST, 1 - SMALLEST)
    return float(torch.logit(kept))
