"""An explanation in a few words, for tables and lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechbrain_xser.answer.record import Descriptors

if TYPE_CHECKING:
    from speechbrain_xser.answer.explanation import Explanation

NO_SPEECH = "no speech"  # in a cell or a list, and at the start of sentences


def no_speech_text(what: str) -> str:
    """The sentence for a clip, a file or a recording without speech."""
    return f"{NO_SPEECH.capitalize()} was found in {what}"


def descriptor_text(descriptors: Descriptors) -> str:
    """Descriptors in a few words.

    Example
    -------
    >>> descriptor_text(Descriptors(gender="male", pitch="low", speed="fast", emphasis=("never",), topic="politics"))
    'male, low pitch, fast speed, stress on never, about politics'
    """
    said = descriptors
    levels = [(name, getattr(said, name)) for name in ("pitch", "volume", "speed", "intonation")]
    parts = [said.gender, said.age, *(f"{value} {name}" for name, value in levels if value)]
    parts += [f"stress on {', '.join(said.emphasis)}"] if said.emphasis else []
    parts += [f"{said.tone} tone"] if said.tone else []
    parts += [f"about {said.topic}"] if said.topic else []
    return ", ".join(part for part in parts if part)


def emotion_text(explanation: Explanation) -> str:
    """The emotion that the paragraph names, with its probability in whole percent."""
    if not explanation.speech:
        return NO_SPEECH
    named = explanation.emotion
    if named is None:
        return "none named"
    share = explanation.probabilities.get(named)
    return named if share is None else f"{named} {100 * share:.0f} %"
