"""The reward of sampled answers, without a judge model: the annotator measures the sound, the corpus knows the rest.

``reward = s * supported - c * contradicted + e * emotion - w * words - m * malformed - l * looping``

``supported`` and ``contradicted`` are shares of what can be measured in the clip, not of what the answer says: a claim
that is not made earns nothing. A field for which an answer names two labels is contradicted, whatever is measured. The
emotion is worth ``1 / (C * p)`` for a class of the frequency p, so that naming one class always earns 1 / C.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from speechbrain.utils.logger import get_logger
from torch import Tensor

from speechbrain_xser.annotator.analysis import hear
from speechbrain_xser.annotator.cutoffs import Cutoffs, reference_cutoffs
from speechbrain_xser.annotator.describe import descriptors_of
from speechbrain_xser.annotator.measures import Measures, measures_of
from speechbrain_xser.answer.claim import Claim, Verdict
from speechbrain_xser.answer.mentions import labels_named
from speechbrain_xser.answer.parse import parse
from speechbrain_xser.answer.wellformed import is_malformed, repeated_share
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.evidence.claims import claims_against
from speechbrain_xser.evidence.faithfulness_scores import FIELDS
from speechbrain_xser.metrics.asr import WordErrorRate
from speechbrain_xser.metrics.text_normalization import normalise

KEPT = 20_000  # clips whose measures are kept
SIGNS = {Verdict.SUPPORTED: 1.0, Verdict.CONTRADICTED: -1.0}

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
    parts: dict[str, float]  # by name, before their weights; without those that the clip cannot decide


class ClipFacts(NamedTuple):
    """What is known of a clip, for all of its answers."""

    measures: Measures
    measurable: tuple[str, ...]  # the fields whose claims can be measured in it
    transcript: str | None
    emotions: dict[str, float]  # share of each emotion; empty if unknown


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
        self.weights, self.votes, self.language = weights.checked(), dict(votes or {}), language
        self.cutoffs = cutoffs or reference_cutoffs()
        utterances = list(utterances)
        self.class_weights = _class_weights([self._emotions(utterance) for utterance in utterances])
        self._facts: OrderedDict[str, ClipFacts] = OrderedDict()
        _tell_what_is_missing(utterances, self.class_weights)

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

    def facts(self, utterance: Utterance, wav: Tensor, sampling_rate: int | None = None) -> ClipFacts:
        """What is known of a clip; it is measured once. Of a clip that is not finite nothing is."""
        if utterance.id in self._facts:
            self._facts.move_to_end(utterance.id)
            return self._facts[utterance.id]
        measures, transcript = Measures(), utterance.transcript if normalise(utterance.transcript) else None
        if finite := bool(wav.isfinite().all()):
            measures = measures_of(hear(wav.cpu(), sampling_rate=sampling_rate), transcript, self.language)
        labels = descriptors_of(measures, self.cutoffs, transcript)
        if measures.f0_hertz is not None:
            labels["pitch"] = labels["pitch"] or "of either gender"
        measurable = tuple(field for field, label in labels.items() if label is not None)
        facts = ClipFacts(measures, measurable, transcript, self._emotions(utterance))
        if finite:
            self._facts[utterance.id] = facts
            if len(self._facts) > KEPT:
                self._facts.popitem(last=False)
        return facts

    def _reward(self, facts: ClipFacts, answer: str, ended: bool, quotes: bool) -> Reward:
        named, parts = labels_named(answer), {}
        if facts.measurable:
            claims = claims_against(answer, facts.measures, facts.transcript, self.cutoffs)
            parts |= claim_shares(claims, named, facts.measurable)
        if facts.emotions:
            parts["emotion"] = self._emotion(named.get("emotion", ()), facts.emotions)
        if facts.transcript is not None and quotes:
            parts["words"] = word_errors(facts.transcript, parse(answer).transcript)
        parts["malformed"] = float(not ended or is_malformed(answer, quotes))
        parts["looping"] = repeated_share(answer)
        return Reward(self.weights.total(parts), parts)

    def _emotions(self, utterance: Utterance) -> dict[str, float]:
        votes = self.votes.get(utterance.id) or ([utterance.emotion] if utterance.emotion else [])
        return {emotion: count / len(votes) for emotion, count in Counter(votes).items()}

    def _emotion(self, named: Sequence[str], shares: Mapping[str, float]) -> float:
        """The share of the raters who chose the one emotion that is named, by the rarity of its class."""
        [emotion] = named if len(named) == 1 else [None]
        return shares.get(emotion, 0.0) * self.class_weights.get(emotion, 1.0)


def claim_shares(
    claims: Sequence[Claim], named: Mapping[str, Sequence[str]], measurable: Sequence[str]
) -> dict[str, float]:
    """How much of what can be measured an answer has right, and how much wrong.

    Arguments
    ---------
    claims : sequence of Claim
        The answer's.
    named : mapping of str to sequence of str
        All labels that the answer names, by field; two for one field are a contradiction.
    measurable : sequence of str
        The fields that can be measured in the clip.

    Returns
    -------
    dict of str to float
        "supported" and "contradicted", as shares of the fields that can be measured; several emphasised words share
        theirs.

    Example
    -------
    >>> claim = Claim("pitch", "low", None, Verdict.SUPPORTED, "low", 90.0, "Hz")
    >>> claim_shares([claim], {"pitch": ("low",)}, ["pitch", "speed"])
    {'supported': 0.5, 'contradicted': 0.0}
    >>> claim_shares([claim], {"pitch": ("low", "high")}, ["pitch", "speed"])
    {'supported': 0.0, 'contradicted': 0.5}
    """
    found = {"supported": 0.0, "contradicted": 0.0}
    for field in FIELDS:
        signs = [SIGNS.get(claim.verdict, 0.0) for claim in claims if claim.field == field]
        if len(named.get(field, ())) > 1:
            signs = [-1.0]
        if signs:
            found["supported"] += signs.count(1.0) / len(signs)
            found["contradicted"] += signs.count(-1.0) / len(signs)
    return {name: value / len(measurable) for name, value in found.items()}


def word_errors(transcript: str, quote: str | None) -> float:
    """The word error rate of a quote, at most 1; nothing quoted is 1.

    Example
    -------
    >>> word_errors("Go on, you two.", "go on you"), word_errors("go", "a b c d"), word_errors("go", None)
    (0.25, 1.0, 1.0)
    """
    errors = WordErrorRate()
    errors.append(["answer"], [transcript], [quote])
    return min(1.0, errors.summarize("WER") / 100)


def _class_weights(shares: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """``1 / (C * p)`` of each of C emotions with the frequency p: any one of them, always named, earns 1 / C."""
    totals: Counter[str] = Counter()
    for one in shares:
        totals.update(one)
    known = sum(totals.values())
    return {emotion: known / (len(totals) * total) for emotion, total in totals.items()}


def _tell_what_is_missing(utterances: Sequence[Utterance], classes: Mapping[str, float]) -> None:
    """Says which parts of the reward a corpus cannot give."""
    spoken = sum(utterance.transcript is not None for utterance in utterances)
    named = sum(utterance.emotion is not None for utterance in utterances)
    if spoken < len(utterances):
        told = spoken, len(utterances)
        logger.warning("%d of %d clips have a transcript: the others earn nothing for words and emphasis.", *told)
    if named < len(utterances) and not classes:
        logger.warning("No clip has an emotion: the reward is of the signal and the words alone.")
    elif named < len(utterances):
        logger.warning("%d of %d clips have an emotion: the others earn nothing for it.", named, len(utterances))
