"""Scores answers against references, in the one form that training, evaluation and the demo report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from speechbrain_xser.answer.parse import parse
from speechbrain_xser.answer.record import VOCABULARIES, Record
from speechbrain_xser.metrics.asr import WordErrorRate
from speechbrain_xser.metrics.attributes import AttributeAccuracy, EmphasisScore
from speechbrain_xser.metrics.ser import EmotionScore


class Scores(NamedTuple):
    """All in percent; NaN if no reference supports a score."""

    parsed: float  # answers with a transcript, an emotion and the labelled descriptors of the reference
    wer: float  # word error rate, may exceed 100
    ua: float  # mean recall over the reference's emotions
    wa: float  # accuracy of the emotion
    attributes: dict[str, float]  # accuracy of each descriptor that a reference has
    emphasis_f1: float  # word F1


def score(references: Sequence[Record], answers: Sequence[str]) -> Scores:
    """Parses the answers and scores them.

    Arguments
    ---------
    references : sequence of Record
        True labels; ``None`` fields are not scored.
    answers : sequence of str
        The decoder's texts, one for each reference. Without a quote the transcript is empty; without an emotion the
        answer is wrong.

    Returns
    -------
    Scores
        Plain floats.

    Raises
    ------
    ValueError
        If their numbers differ.

    Example
    -------
    >>> from speechbrain_xser.answer.render import render
    >>> truth = Record("hello you", emotion="happy")
    >>> score([truth], [render(truth)])
    Scores(parsed=100.0, wer=0.0, ua=100.0, wa=100.0, attributes={}, emphasis_f1=nan)
    >>> score([truth], ["I cannot tell."])
    Scores(parsed=0.0, wer=100.0, ua=0.0, wa=0.0, attributes={}, emphasis_f1=nan)
    """
    found = [parse(answer) for answer in answers]
    pairs = list(zip(references, found, strict=True))
    attributes = _collected(AttributeAccuracy(), references, found, lambda record: record.descriptors)
    emotion = _collected(EmotionScore(), references, found, lambda record: record.emotion)
    return Scores(
        parsed=100.0 * sum(_told(truth) <= _told(heard) for truth, heard in pairs) / len(pairs)
        if pairs
        else float("nan"),
        wer=_collected(WordErrorRate(), references, found, lambda record: record.transcript).summarize("WER"),
        ua=emotion.summarize("UA"),
        wa=emotion.summarize("WA"),
        attributes=attributes.summarize(),
        emphasis_f1=_collected(
            EmphasisScore(), references, found, lambda record: record.descriptors.emphasis
        ).summarize("F1"),
    )


def _collected(metric, references, found, part):
    """A metric applied to one part of all records."""
    metric.append(
        [str(n) for n in range(len(found))], [part(truth) for truth in references], [part(heard) for heard in found]
    )
    return metric


def _told(record: Record) -> set[str]:
    """The fields with a value, among those that every paragraph about such a record has to state."""
    fields = {field: getattr(record.descriptors, field) for field in VOCABULARIES}
    fields |= {"emotion": record.emotion, "transcript": record.transcript or None}
    return {field for field, value in fields.items() if value is not None}


def plain_scores(scores: Scores) -> dict[str, float]:
    """Scores as a flat mapping without unknown or infinite ones.

    Example
    -------
    >>> plain_scores(Scores(100.0, 10.0, 75.0, 80.0, {"pitch": 90.0}, float("nan")))
    {'pitch': 90.0, 'parsed': 100.0, 'wer': 10.0, 'ua': 75.0, 'wa': 80.0}
    """
    flat = scores._asdict()
    flat = {**flat.pop("attributes"), **flat}
    return {name: value for name, value in flat.items() if math.isfinite(value)}
