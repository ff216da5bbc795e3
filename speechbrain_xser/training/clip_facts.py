"""What is known of a clip before anybody answers: what its sound gives, its words, and what its raters heard."""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from speechbrain_xser.annotator.analysis import hear
from speechbrain_xser.annotator.cutoffs import Cutoffs
from speechbrain_xser.annotator.describe import descriptors_of
from speechbrain_xser.annotator.measures import Measures, measures_of
from speechbrain_xser.answer.record import GENDERS
from speechbrain_xser.data.manifest import Utterance
from speechbrain_xser.metrics.text_normalization import normalise
from speechbrain_xser.training.seeding import derive_seed

KEPT = 20_000  # clips whose measures are kept
Label = str | tuple[str, ...]  # of emphasis, the words that stand out


class ClipFacts(NamedTuple):
    """What is known of a clip, for all of its answers."""

    measures: Measures
    labels: dict[str, Label]  # that the sound gives, of the fields whose claims can be measured in it
    transcript: str | None
    emotions: dict[str, float]  # share of each emotion; empty if unknown


class FactFinder:
    """Measures clips, each sound once.

    Arguments
    ---------
    cutoffs : Cutoffs
        Where low ends and high begins.
    votes : mapping of str to sequence of str, optional
        The emotion that each rater chose, by utterance; where there are none, the utterance's own counts.
    language : str
        Language of the transcripts, for the annotator.
    """

    def __init__(
        self, cutoffs: Cutoffs, votes: Mapping[str, Sequence[str]] | None = None, language: str = "en"
    ) -> None:
        self.cutoffs, self.votes, self.language = cutoffs, dict(votes or {}), language
        self._measured: OrderedDict[str, Measures] = OrderedDict()

    def __call__(self, utterance: Utterance, wav: Tensor, sampling_rate: int | None = None) -> ClipFacts:
        """What is known of a clip, [S]; of one that is not finite nothing is measured."""
        transcript = utterance.transcript if normalise(utterance.transcript) else None
        measures = self._measures(wav, transcript, sampling_rate) if wav.isfinite().all() else Measures()
        return ClipFacts(
            measures, measured_labels(measures, self.cutoffs, transcript), transcript, self.emotions(utterance)
        )

    def emotions(self, utterance: Utterance) -> dict[str, float]:
        """The share of the raters who chose each emotion; empty if none is known."""
        votes = self.votes.get(utterance.id) or ([utterance.emotion] if utterance.emotion else [])
        return {emotion: count / len(votes) for emotion, count in Counter(votes).items()}

    def describe(self) -> dict[str, str | int]:
        """What must be the same for a run to resume: the language, the bounds and the votes."""
        votes = derive_seed(*(f"{clip} {self.votes[clip]}" for clip in sorted(self.votes)))
        return {"language": self.language, "bounds": derive_seed(repr(self.cutoffs)), "ratings": votes}

    def _measures(self, wav: Tensor, transcript: str | None, sampling_rate: int | None) -> Measures:
        sound = hashlib.blake2b(wav.cpu().contiguous().numpy().tobytes(), digest_size=16).hexdigest()
        key = f"{sound} {sampling_rate} {transcript}"
        if key not in self._measured:
            self._measured[key] = measures_of(hear(wav.cpu(), sampling_rate=sampling_rate), transcript, self.language)
        self._measured.move_to_end(key)
        if len(self._measured) > KEPT:
            self._measured.popitem(last=False)
        return self._measured[key]


def measured_labels(
    measures: Measures, cutoffs: Cutoffs, transcript: str | None = None
) -> dict[str, Label]:
    """The labels that a clip's sound gives, of the fields whose claims can be measured in it.

    A voice whose gender is unclear has a pitch only if it is the same label for a man and for a woman: a gender that
    is free to choose would be a way to any pitch. Emphasis can be measured in two or more words, none of which may
    stand out.

    Example
    -------
    >>> from speechbrain_xser.annotator.cutoffs import reference_cutoffs
    >>> def labels(hertz, odds):
    ...     return measured_labels(Measures(f0_hertz=hertz, gender_log_odds=odds), reference_cutoffs())
    >>> labels(160.0, 3.0), labels(160.0, 0.1), labels(400.0, 0.1)
    ({'gender': 'female', 'pitch': 'low'}, {}, {'pitch': 'high'})
    """
    found = descriptors_of(measures, cutoffs, transcript)
    if found["gender"] is None:
        pitches = {descriptors_of(measures, cutoffs, gender=gender)["pitch"] for gender in GENDERS}
        found["pitch"] = pitches.pop() if len(pitches) == 1 else None
    if found["emphasis"] is None and len(measures.prominences or ()) > 1:
        found["emphasis"] = ()
    return {field: label for field, label in found.items() if label is not None}
