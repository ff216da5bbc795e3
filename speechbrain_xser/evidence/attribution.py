"""Voice or words: how much each branch contributes to a label's log-odds, and the label with another clip's voice.

The branches are the players of a game whose value is the label's log-odds. A branch that does not play is in its
trained "off" state, zero vectors of the same count. With n branches the shares are exact after 2^n evaluations, and
they add up to the value of all branches together.
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
from speechbrain_xser.utils.stopping import may_stop

if TYPE_CHECKING:
    from speechbrain_xser.model import ExplainableSER
    from speechbrain_xser.stages import Stage

SMALLEST = 1e-12  # smallest probability, so that log-odds stay finite


class Attribution(NamedTuple):
    """The contributions of the branches to one utterance's label.

    Example
    -------
    >>> found = Attribution("sad", {"content": 0.5, "descriptor": 1.25}, {})
    >>> found.carrier, found.total
    ('descriptor', 1.75)
    """

    emotion: str  # the explained label
    shares: dict[str, float]  # nats that each branch contributes to its log-odds
    distributions: dict[str, dict[str, float]]  # the classes' probabilities, by coalition

    @property
    def carrier(self) -> str:
        """The branch with the largest share; of equal ones the last."""
        return max(reversed(self.shares), key=self.shares.get)

    @property
    def total(self) -> float:
        """Log-odds with all branches, minus log-odds with none."""
        return sum(self.shares.values())


@torch.no_grad()
def voice_or_words(
    model: ExplainableSER,
    tokens: Mapping[str, SoftTokens],
    stage: Stage,
    answers: Sequence[str],
    emotions: Sequence[str],
) -> list[Attribution]:
    """The contribution of each branch to the emotion that an answer names, given the text before it.

    Sources: Shapley (1953, Contributions to the Theory of Games II); Lundberg & Lee (2017, NeurIPS).

    Arguments
    ---------
    model : ExplainableSER
        A model whose decoder gives probabilities.
    tokens : mapping of str to SoftTokens
        From ``model.encode``, [B, K, e] with counts [B].
    stage : Stage
        The stage that gives the instruction.
    answers : sequence of str
        B answers; if one names no emotion of the model, the most probable emotion is explained.
    emotions : sequence of str
        C classes.

    Returns
    -------
    list of Attribution
        One for each answer.

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
                may_stop()
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
    """The classes' probabilities, [B, C], if the descriptor branch had another clip's tokens.

    ``voice`` has the tokens of B clips, or of one clip for all; other arguments are those of :func:`voice_or_words`.
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
    """``log(p / (1 - p))``."""
    kept = torch.tensor(probability, dtype=torch.float64).clamp(SMALLEST, 1 - SMALLEST)
    return float(torch.logit(kept))
