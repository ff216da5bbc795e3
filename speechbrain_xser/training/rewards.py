"""The reward of sampled answers, without a judge model: the annotator measures the sound, the corpus knows the rest.

``reward = s * supported - c * contradicted + e * emotion - w * words - m * malformed - l * looping``

``supported`` and ``contradicted`` are shares of what can be measured in the clip, not of what the answer says: a claim
that is not made earns nothing. A field for which an answer names two labels is contradicted, whatever is measured. What
the emotion is worth is in :mod:`~speechbrain_xser.training.emotion_worth`.

The same sum by where it is settled is in ``credits``: each field's worth with its first mention, what each word of the
transcript costs with the word that is quoted in its place, the emotion's with its word. What a later mention changes in
that is ``revised``, and counts for the whole answer, as do a field that is never named, a malformed answer and a loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from speechbrain.utils.logger import get_logger
from torch import Tensor

from speechbrain_xser.annotator.cutoffs import Cutoffs, reference_cutoffs
from speechbrain_xser.answer.mentions import labels_named
from speechbrain_xser.answer.wellformed import is_malformed, repeated_share
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.evidence.claims import claims_against
from speechbrain_xser.metrics.text_normalization import normalise
from speechbrain_xser.training.clip_facts import ClipFacts, FactFinder
from speechbrain_xser.training.credit import Credit
from speechbrain_xser.training.dues import Due, Parts, claim_dues, emotion_due
from speechbrain_xser.training.emotion_worth import EmotionWorth
from speechbrain_xser.training.quote_dues import quote_dues

REVISED = "revised"  # by a later mention

logger = get_logger(__name__)


class RewardWeights(NamedTuple):
    """How much each part counts; the last four, and contradicted claims, cost.

    Example
    -------
    >>> RewardWeights(words=2.0).total({"supported": 0.5, "contradicted": 0.25, "words": 0.1})  # 0.5 - 0.25 - 0.2
    0.05
    """

    supported: float = 1.0
    contradicted: float = 1.0
    emotion: float = 1.0
    words: float = 1.0  # of the word error rate, at most 1
    malformed: float = 1.0
    looping: float = 1.0

    def checked(self) -> RewardWeights:
        """Returns itself; a negative weight, or none at all, raises a ``SettingsError``."""
        if min(self) < 0 or not max(self) > 0:
            raise SettingsError(f"{self}: expected weights of at least 0, and one above it.")
        return self

    def total(self, parts: Mapping[str, float]) -> float:
        """The reward of an answer with these parts; those that a clip does not have add nothing."""
        signs = {"supported": 1, "emotion": 1}
        return round(sum(signs.get(name, -1) * getattr(self, name) * value for name, value in parts.items()), 12)


PARTS = RewardWeights._fields


class Reward(NamedTuple):
    """What one answer earned."""

    total: float
    parts: Parts  # by name, before their weights; without those that the clip cannot decide
    credits: dict[str, Credit]  # weighed; they add up to the total


def settled(weights: RewardWeights, dues: Mapping[str, Due]) -> Reward:
    """The reward of an answer for all that it is rewarded for, by name.

    Example
    -------
    >>> due = Due({"emotion": 1.0}, end=5, last={"emotion": 0.0})
    >>> settled(RewardWeights(), {"emotion": due})
    Reward(total=0.0, parts={'emotion': 0.0}, credits={'emotion': Credit(value=1.0, end=5), \
'revised': Credit(value=-1.0, end=None)})
    """
    parts: Counter[str] = Counter()
    for due in dues.values():
        parts.update(due.final)
    total = weights.total(parts)
    credits = {name: Credit(weights.total(due.first), due.end) for name, due in dues.items()}
    rest = round(total - sum(credit.value for credit in credits.values()), 12)
    return Reward(total, dict(parts), {**credits, REVISED: Credit(rest)})


class Rewards:
    """Rewards answers.

    Arguments
    ---------
    weights : RewardWeights
        Of the parts.
    utterances : iterable of Utterance
        The training set, whose frequencies of emotions weigh classes.
    votes : mapping of str to sequence of str, optional
        The emotion that each rater chose, by utterance; where there are none, the utterance's own counts.
    language : str
        Language of the transcripts, for the annotator.
    cutoffs : Cutoffs, optional
        Where low ends and high begins; by default the package's references.

    Raises
    ------
    SettingsError
        If a weight is negative, or all are 0.

    Example
    -------
    >>> import torch
    >>> clip = Utterance("a", "a.wav", transcript="go on", emotion="sad")
    >>> rewards = Rewards(utterances=[clip])
    >>> tone = 0.5 * torch.sin(6.2832 * 400 * torch.arange(16000) / 16000)
    >>> said = 'A person with {} volume speaks, saying, "go on", sounding sad.'
    >>> [right, wrong] = rewards(clip, tone, [said.format("high"), said.format("low")])
    >>> right.parts["supported"] > 0 == wrong.parts["supported"], right.total > wrong.total
    (True, True)
    >>> right.parts["words"], right.parts["emotion"]
    (0.0, 1.0)
    """

    def __init__(
        self,
        weights: RewardWeights = RewardWeights(),  # noqa: B008, it cannot be changed
        utterances: Iterable[Utterance] = (),
        votes: Mapping[str, Sequence[str]] | None = None,
        language: str = "en",
        cutoffs: Cutoffs | None = None,
    ) -> None:
        self.weights = weights.checked()
        self.cutoffs = cutoffs or reference_cutoffs()
        self.facts, utterances = FactFinder(self.cutoffs, votes, language), list(utterances)
        emotions = [self.facts.emotions(utterance) for utterance in utterances]
        self.worth = EmotionWorth(emotions)
        _tell_what_is_missing(utterances, emotions)

    def __call__(
        self,
        utterance: Utterance,
        wav: Tensor,
        answers: Sequence[str],
        ended: Sequence[bool] | None = None,
        quotes: bool = True,
        sampling_rate: int | None = None,
    ) -> list[Reward]:
        """Rewards the answers about one clip.

        Arguments
        ---------
        utterance : Utterance
            Its transcript and emotion, where the corpus has them.
        wav : Tensor
            The clip, [S], full scale 1.
        answers : sequence of str
            G paragraphs.
        ended : sequence of bool, optional
            Whether each ended by itself, instead of at its limit; by default all did.
        quotes : bool
            Whether an answer has to quote what is said.
        sampling_rate : int, optional
            As for :func:`~speechbrain_xser.annotator.analysis.hear`.

        Returns
        -------
        list of Reward
        """
        facts = self.facts(utterance, wav, sampling_rate)
        every = zip(answers, ended or [True] * len(answers), strict=True)
        return [self._reward(facts, answer, whole, quotes) for answer, whole in every]

    def _reward(self, facts: ClipFacts, answer: str, ended: bool, quotes: bool) -> Reward:
        claims = claims_against(answer, facts.measures, facts.transcript, self.cutoffs)
        dues = claim_dues(claims, labels_named(answer), facts.labels)
        if facts.emotions:
            dues["emotion"] = emotion_due(answer, self.worth, facts.emotions)
        if facts.transcript is not None and quotes:
            dues |= quote_dues(answer, facts.transcript)
        dues["malformed"] = Due({"malformed": float(not ended or is_malformed(answer, quotes))})
        dues["looping"] = Due({"looping": repeated_share(answer)})
        return settled(self.weights, dues)


def _tell_what_is_missing(utterances: Sequence[Utterance], emotions: Sequence[Mapping[str, float]]) -> None:
    """Says which parts of the reward a corpus cannot give."""
    spoken, named = sum(bool(normalise(one.transcript)) for one in utterances), sum(map(bool, emotions))
    if spoken < len(utterances):
        told = spoken, len(utterances)
        logger.warning("%d of %d clips have a transcript: the others earn nothing for words and emphasis.", *told)
    if utterances and not named:
        logger.warning("No clip has an emotion: the reward is of the signal and the words alone.")
    elif named < len(utterances):
        logger.warning("%d of %d clips have an emotion: the others earn nothing for it.", named, len(utterances))
