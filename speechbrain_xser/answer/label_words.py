"""Labels as the few words that a paragraph names them by, for scoring a branch against the LLM's own words."""

from __future__ import annotations

from speechbrain_xser.answer.record import EMOTIONS, LEVELS, SPEEDS, Record

SEPARATOR = ", "
LABEL_WORDS: dict[str, dict[str, str]] = {  # of each attribute: its values and their words
    "emotion": {emotion: emotion for emotion in EMOTIONS},
    "gender": {"male": "man", "female": "woman"},
    "pitch": {level: f"{level} pitch" for level in LEVELS},
    "volume": {level: f"{level} volume" for level in LEVELS},
    "speed": {speed: f"{speed} speed" for speed in SPEEDS},
}


def label_text(record: Record) -> str:
    """The words of all labels that are known.

    Example
    -------
    >>> from speechbrain_xser.answer.record import Descriptors
    >>> label_text(Record("hello", Descriptors(gender="female", pitch="high"), "angry"))
    'angry, woman, high pitch'
    """
    values = {"emotion": record.emotion, **record.descriptors._asdict()}
    return SEPARATOR.join(words[values[name]] for name, words in LABEL_WORDS.items() if values[name] is not None)


def label_places(text: str, attribute: str) -> int | None:
    """The place, among an attribute's values, of the one that a label text names; None where it names none.

    Example
    -------
    >>> label_places("angry, woman, high pitch", "pitch"), label_places("angry", "pitch")
    (2, None)
    """
    words, said = list(LABEL_WORDS[attribute].values()), text.split(SEPARATOR)
    return next((place for place, word in enumerate(words) if word in said), None)
