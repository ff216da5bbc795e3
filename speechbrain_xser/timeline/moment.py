"""A moment: one stretch of speech in a recording, and its explanation."""

from __future__ import annotations

from typing import NamedTuple

from speechbrain_xser.answer import Descriptors
from speechbrain_xser.answer.explanation import Explanation


class Moment(NamedTuple):
    """Speech between two pauses.

    Example
    -------
    >>> descriptors = Descriptors(gender="male")
    >>> explanation = Explanation("A man says ...", "hello", descriptors, "neutral", {"neutral": 1.0})
    >>> moment = Moment(1.5, 2.25, explanation)
    >>> Moment.from_dict(moment.as_dict()) == moment, moment.probability
    (True, 1.0)
    """

    start_seconds: float  # in the recording
    end_seconds: float
    explanation: Explanation
    speaker: str | None = None  # known once all moments are, and only if it was asked for

    @property
    def probability(self) -> float | None:
        """Probability of the emotion that the paragraph names, None if it is not a class of the model."""
        return self.explanation.probabilities.get(self.explanation.emotion)

    def as_dict(self) -> dict:
        """Plain values for JSON, without rounding."""
        found = self.explanation
        return {
            "start_seconds": self.start_seconds,
            "end_seconds": self.end_seconds,
            **({} if self.speaker is None else {"speaker": self.speaker}),
            "emotion": found.emotion,
            "probabilities": found.probabilities,
            "transcript": found.transcript,
            "descriptors": found.descriptors._asdict(),
            "paragraph": found.paragraph,
            "domain": found.domain,
        }

    def rounded(self) -> dict:
        """Plain values for readers: milliseconds, and probabilities with four decimals."""
        probabilities = {name: round(value, 4) for name, value in self.explanation.probabilities.items()}
        start, end = round(self.start_seconds, 3), round(self.end_seconds, 3)
        return self.as_dict() | {"start_seconds": start, "end_seconds": end, "probabilities": probabilities}

    @classmethod
    def from_dict(cls, values: dict) -> Moment:
        """Restores a moment from :meth:`as_dict`."""
        emphasis = values["descriptors"]["emphasis"]
        descriptors = Descriptors(
            **{**values["descriptors"], "emphasis": None if emphasis is None else tuple(emphasis)}
        )
        said = (values["paragraph"], values["transcript"], descriptors, values["emotion"], values["probabilities"])
        explanation = Explanation(*said, domain=values["domain"])
        return cls(values["start_seconds"], values["end_seconds"], explanation, values.get("speaker"))
