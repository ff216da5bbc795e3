"""Voice or words: how much of a label's log-odds each branch carries, and the label with another clip's voice.

The branches are the players of a game whose value is the label's log-odds; a branch that does not play is in its
trained "off" state, zero vectors of the same count. With n branches the shares are exact after 2^n evaluations, and
they add up to what all together are worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from speechbrain_xser.answer.parse import parse
from speechbrain_xser.evidence.shapley import ALL, coalition, shapley_values
from speechbrain_xser.lobes.adapter import SoftTokens
from speechbrain_xser.stages import VOICE
from speechbrain_xser.utils.modes import evaluating

if TYPE_CHECKING:
    from speechbrain_xser.model import ExplainableSER
    from speechbrain_xser.stages import Stage

SMALLEST = 1e-12  # of a probability, so that log-odds stay finite


class Attribution(NamedTuple):
    """One utterance's label, taken apart.

    Example
    -------
    >>> found = Attribution("sad", {"content": 0.5, "descriptor": 1.25}, {})
    >>> found.carrier, found.total
    ('descriptor', 1.75)
    """

    emotion: str  # the label that is explained
    shares: dict[str, float]  # nats of its log-odds that each branch carries
    distributions: dict[str, dict[str, float]]  # the classes' probabilities, by coalition

    @property
    def carrier(self) -> str:
        """The branch with the greatest share; of equals the last."""
        return max(reversed(self.shares), key=self.shares.get)

    @property
    def total(self) -> float:
        """Log-odds with all branches, less those with none."""
        return sum(self.shares.values())


@torch.no_grad()
def voice_or_words(
    model: ExplainableSER,
    tokens: Mapping[str, SoftTokens],
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
    tokens : mapping of str to SoftTokens
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
    >>> [found] = voice_or_words(model, tokens, SER_STAGE, ["A man speaks, his anger evident."], ["angry", "sad"])
    >>> found.emotion, sorted(found.distributions)
    ('angry', ['all', 'content', 'descriptor', 'none'])
    """
    found, branches = {}, list(tokens)
    with evaluating(model):
        for size in range(len(branches), -1, -1):
            for members in combinations(branches, size):
                some = {name: one if name in members else one.off() for name, one in tokens.items()}
                probabilities = model.decoder.emotion_probabilities(some, stage.instruction, answers, emotions).cpu()
                found[coalition(branches, members)] = probabilities
    labels = [_label(answer, row, emotions) for answer, row in zip(answers, found[ALL], strict=True)]
    return [_attribution(row, label, branches, found, emotions) for row, label in enumerate(labels)]


@torch.no_grad()
def with_voice(
    model: ExplainableSER,
    tokens: Mapping[str, SoftTokens],
    voice: SoftTokens,
    stage: Stage,
    answers: Sequence[str],
    emotions: Sequence[str],
) -> Tensor:
    """The classes' probabilities when the descriptor branch heard another clip.

    Arguments
    ---------
    model, tokens, stage, answers, emotions
        As for :func:`voice_or_words`.
    voice : SoftTokens
        Descriptor tokens of other clips, [B, K', e] with counts [B], or of one clip for all, [1, K', e].

    Returns
    -------
    Tensor
        [B, C].
    """
    rows = len(answers)
    if len(voice.counts) == 1:
        voice = SoftTokens(voice.embeddings.expand(rows, -1, -1), voice.counts.expand(rows))
    with evaluating(model):
        return model.decoder.emotion_probabilities({**tokens, VOICE: voice}, stage.instruction, answers, emotions)


def _label(answer: str, probabilities: Tensor, emotions: Sequence[str]) -> int:
    named = parse(answer).emotion
    return emotions.index(named) if named in emotions else int(probabilities.argmax())


def _attribution(
    row: int, label: int, branches: Sequence[str], found: dict[str, Tensor], emotions: Sequence[str]
) -> Attribution:
    values = {name: _log_odds(float(probabilities[row, label])) for name, probabilities in found.items()}
    distributions = {name: dict(zip(emotions, rows[row].tolist(), strict=True)) for name, rows in found.items()}
    return Attribution(emotions[label], shapley_values(branches, values), distributions)


def _log_odds(probability: float) -> float:
    """``log(p / (1 - p))``.

    Example
    -------
    >>> _log_odds(0.5)
    0.0
    """
    kept = torch.tensor(probability, dtype=torch.float64).clamp(SMALLEST, 1 - SMALLEST)
    return float(torch.logit(kept))
