"""What a model says about one utterance."""

from __future__ import annotations

from typing import NamedTuple

from speechbrain_xser.answer.record import Descriptors


class Explanation(NamedTuple):
    """What one utterance is found to be; ``None`` where the answer does not say.

    Example
    -------
    >>> Explanation.without_speech().emotion, Explanation.without_speech().speech
    (None, False)
    """

    paragraph: str  # the decoder's raw answer
    transcript: str | None  # the quoted words
    descriptors: Descriptors  # gender, age, pitch, volume, speed, intonation, emphasis, tone, topic
    emotion: str | None  # that the paragraph names, be it among the model's classes or not
    probabilities: dict[str, float]  # of every class of the model; sums to one
    speech: bool = True  # False: no speech was found, so nothing else is claimed

    @classmethod
    def without_speech(cls) -> Explanation:
        """What is said of a clip in which nobody speaks."""
        return cls("", None, Descriptors(), None, {}, speech=False)
