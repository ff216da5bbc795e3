"""What a model says about one utterance."""

from __future__ import annotations

from typing import NamedTuple

from speechbrain_xser.answer.record import Descriptors

IN, DOUBTFUL, OUT = "in", "doubtful", "out"  # of the domain
DEMONSTRATION = "demonstration"  # in the place of a domain: the model is for showing, whatever the clip
UNKNOWN = "unknown"  # the emotion of a clip that is out of the domain


class Explanation(NamedTuple):
    """What the model says about one utterance; a field is None if the answer does not give it.

    Example
    -------
    >>> Explanation.without_speech().emotion, Explanation.without_speech().speech
    (None, False)
    """

    paragraph: str  # the decoder's raw answer
    transcript: str | None  # the quoted words
    descriptors: Descriptors  # gender, age, pitch, volume, speed, intonation, emphasis, tone, topic
    emotion: str | None  # as the paragraph names it, whether or not it is a class of the model; or "unknown"
    probabilities: dict[str, float]  # of every class of the model; sums to one
    speech: bool = True  # False if no speech was found; then nothing else is claimed
    domain: str | None = None  # in, doubtful or out of what the model was trained on; None if its folder cannot tell

    @classmethod
    def without_speech(cls) -> Explanation:
        """The result for a clip without speech."""
        return cls("", None, Descriptors(), None, {}, speech=False)
