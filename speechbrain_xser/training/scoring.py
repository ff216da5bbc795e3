"""Scores answers by the target that they were trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from speechbrain_xser.answer.record import Descriptors, Record
from speechbrain_xser.metrics import Scores, WordErrorRate, score
from speechbrain_xser.metrics.scores import plain_scores

if TYPE_CHECKING:
    from speechbrain_xser.data.manifest import Utterance


def references(utterances: Sequence[Utterance], target: str) -> list[Record]:
    """The true records, reduced to what an answer of that target can state.

    Example
    -------
    >>> from speechbrain_xser.data.manifest import Utterance
    >>> spoken = Utterance("a", "a.wav", transcript="hello", emotion="happy", pitch="low")
    >>> references([spoken], "transcript+emotion")[0].descriptors.pitch is None
    True
    >>> references([spoken], "descriptors+emotion")[0].transcript is None
    True
    """
    missing = {
        "transcript+emotion": {"descriptors": Descriptors()},
        "emotion": {"descriptors": Descriptors()},
        "descriptors+emotion": {"transcript": None},
    }
    return [utterance.record()._replace(**missing.get(target, {})) for utterance in utterances]


def paragraph_scores(utterances: Sequence[Utterance], answers: Sequence[str], target: str) -> Scores:
    """UA, WA, WER and descriptors of paragraphs, in percent; see ``metrics.score``."""
    return score(references(utterances, target), answers)


def score_answers(utterances: Sequence[Utterance], answers: Sequence[str], target: str) -> dict[str, float]:
    """One flat mapping of metrics, all in percent: a transcript's WER, or all that a paragraph tells.

    Arguments
    ---------
    utterances : sequence of Utterance
        The utterances, with their true labels.
    answers : sequence of str
        The model's texts.
    target : str
        A key of ``stages.TARGETS``.

    Returns
    -------
    dict of str to float
        ``wer`` for transcripts; ``parsed``, ``wer``, ``ua``, ``wa``, ``emphasis_f1`` and each descriptor otherwise.
        What no reference supports is left out.

    Example
    -------
    >>> from speechbrain_xser.data.manifest import Utterance
    >>> spoken = Utterance("a", "a.wav", transcript="hello you", emotion="happy")
    >>> score_answers([spoken], ["hello"], "transcript")
    {'wer': 50.0}
    >>> score_answers([spoken], ["No idea."], "paragraph")  # no emphasis: the reference has none
    {'parsed': 0.0, 'wer': 100.0, 'ua': 0.0, 'wa': 0.0}
    """
    if target == "transcript":
        errors = WordErrorRate()
        errors.append([u.id for u in utterances], [u.transcript for u in utterances], answers)
        return {"wer": errors.summarize("WER")}
    return plain_scores(paragraph_scores(utterances, answers, target))
