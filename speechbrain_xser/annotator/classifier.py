"""Labels emotion and age with a classifier that the user supplies; the annotator itself never guesses them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor

from speechbrain_xser.answer.labels import check_labels
from speechbrain_xser.answer.record import Descriptors, Record


class Estimate(NamedTuple):
    """What a classifier says about one clip; None for a label that it does not give."""

    emotion: str | None = None  # one of EMOTIONS
    age: str | None = None  # one of AGES

    def as_dict(self) -> dict:
        """The labels as plain values, for JSON."""
        return self._asdict()

    @classmethod
    def from_dict(cls, values: dict) -> Estimate:
        """Restores the labels from JSON."""
        return cls(**values)


class Classifier(NamedTuple):
    """A function that labels a clip, and the name under which its labels are stored.

    Example
    -------
    >>> import torch
    >>> estimate(Classifier("mine", lambda wav: {"emotion": "sad"}), torch.zeros(16000))
    Estimate(emotion='sad', age=None)
    """

    name: str
    labels: Callable[[Tensor], Mapping[str, str | None]]  # takes a clip, [S] at 16 kHz; returns emotion and age


def estimate(classifier: Classifier, wav: Tensor) -> Estimate:
    """Labels a clip, [S] at 16 kHz; a label outside its vocabulary raises a ``LabelError``."""
    labels = classifier.labels(wav)
    found = Estimate(labels.get("emotion"), labels.get("age"))
    record = Record(descriptors=Descriptors(age=found.age), emotion=found.emotion)
    check_labels(record, f"classifier {classifier.name!r}")
    return found
