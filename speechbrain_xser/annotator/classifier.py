"""Emotion and age by a model of the user's: the annotator itself never guesses them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor

from speechbrain_xser.answer.labels import check_labels
from speechbrain_xser.answer.record import Descriptors, Record


class Estimate(NamedTuple):
    """What a classifier says of one clip; None where it says nothing.

    Example
    -------
    >>> Estimate.from_dict(Estimate("sad").as_dict())
    Estimate(emotion='sad', age=None)
    """

    emotion: str | None = None  # one of EMOTIONS
    age: str | None = None  # one of AGES

    def as_dict(self) -> dict:
        """The labels as plain values, for JSON."""
        return self._asdict()

    @classmethod
    def from_dict(cls, values: dict) -> Estimate:
        """The labels out of JSON."""
        return cls(**values)


class Classifier(NamedTuple):
    """A way to label a clip, and the name under which its labels are kept.

    Example
    -------
    >>> import torch
    >>> estimate(Classifier("mine", lambda wav: {"emotion": "sad"}), torch.zeros(16000))
    Estimate(emotion='sad', age=None)
    """

    name: str
    labels: Callable[[Tensor], Mapping[str, str | None]]  # of a clip, [S] at 16 kHz: emotion, age


def estimate(classifier: Classifier, wav: Tensor) -> Estimate:
    """What a classifier says of a clip, checked.

    Arguments
    ---------
    classifier : Classifier
        The user's.
    wav : Tensor
        Samples, [S], 16 kHz.

    Returns
    -------
    Estimate

    Raises
    ------
    LabelError
        If a label is outside its vocabulary.

    Example
    -------
    >>> import torch
    >>> estimate(Classifier("mine", lambda wav: {"emotion": "bored"}), torch.zeros(16000))
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.LabelError: classifier 'mine': emotion is 'bored', expected one of neutral, happy, sad, ...
    """
    labels = classifier.labels(wav)
    found = Estimate(labels.get("emotion"), labels.get("age"))
    record = Record(descriptors=Descriptors(age=found.age), emotion=found.emotion)
    check_labels(record, f"classifier {classifier.name!r}")
    return found
