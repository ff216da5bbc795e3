"""An explanation in a few words, for tables and lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechbrain_xser.answer.explanation import DEMONSTRATION, DOUBTFUL, IN, OUT
from speechbrain_xser.answer.record import Descriptors
from speechbrain_xser.answer.reliability import SureBin

if TYPE_CHECKING:
    from speechbrain_xser.answer.explanation import Explanation

NO_SPEECH = "no speech"  # in a cell or a list, and at the start of sentences
NOTES = {DOUBTFUL: "doubtful", OUT: "out of domain", DEMONSTRATION: "demonstration"}  # beside an emotion
DOMAINS = {  # as a sentence
    IN: "The clip is like those that the model was trained on.",
    DOUBTFUL: "Doubtful: the clip differs from most of those that the model was trained on.",
    OUT: "Out of domain: the clip is unlike what the model was trained on. Do not trust the answer.",
    DEMONSTRATION: "This is the demonstration model. Do not trust the answer.",
}


def no_speech_text(what: str) -> str:
    """The sentence for a clip, a file or a recording without speech."""
    return f"{NO_SPEECH.capitalize()} was found in {what}"


def counted(number: int, noun: str) -> str:
    """A number of things.

    Example
    -------
    >>> [counted(number, "moment") for number in (0, 1, 2)]
    ['0 moments', '1 moment', '2 moments']
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


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


def emotion_text(explanation: Explanation, nothing: str = "none named") -> str:
    """The emotion that the paragraph names, with its probability in whole percent, and what there is to say against it.

    Arguments
    ---------
    explanation : Explanation
        Of a clip.
    nothing : str
        For a paragraph that names none.

    Example
    -------
    >>> from speechbrain_xser.answer.explanation import Explanation
    >>> said = Explanation("He is sad.", None, Descriptors(), "sad", {"sad": 0.75, "angry": 0.25})
    >>> [emotion_text(one) for one in (said, said._replace(domain="doubtful"))]
    ['sad 75 %', 'sad 75 %, doubtful']
    """
    if not explanation.speech:
        return NO_SPEECH
    named = explanation.emotion or nothing
    share = explanation.probabilities.get(named)
    told = named if share is None else f"{named} {100 * share:.0f} %"
    return ", ".join([told, *domain_note(explanation)])


def reliability_text(found: SureBin, source: str) -> str:
    """How often answers as sure as one were right, as a sentence.

    Example
    -------
    >>> reliability_text(SureBin(0.6, 0.78, 43, 31), "clips of other speakers")
    'Of answers this sure (60 to 78 %), 31 of 43 were right, counted on clips of other speakers.'
    """
    span = f"{100 * found.low:.0f} to {100 * found.high:.0f} %"
    return f"Of answers this sure ({span}), {found.right} of {found.answers} were right, counted on {source}."


def domain_note(explanation: Explanation) -> list[str]:
    """A word about a clip that is doubtful or out of the model's domain; none about others."""
    return [NOTES[explanation.domain]] if explanation.domain in NOTES else []
