"""The structured form of an answer: the first wording of ``render``, as choices and free texts between fixed words.

A decoder constrained to it only chooses: the fixed words cost no decoding steps, every part can be parsed, and the
paragraph reads like the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from speechbrain_xser.answer.phrases import PACE_PHRASES, PERSONS, POSSESSIVES, VOLUME_WORDS, emotion_phrase
from speechbrain_xser.answer.record import EMOTIONS, LEVELS


class Step(NamedTuple):
    """One decision of the decoder, and the fixed words that follow it.

    Example
    -------
    >>> Step(("low pitch", "high pitch"), " and ").after
    ' and '
    """

    # the choices, or a function that gives them from the text so far; None for free text up to a quotation mark
    options: tuple[str, ...] | Callable[[str], tuple[str, ...]] | None
    after: str  # the fixed words


def structured_form(emotions: Sequence[str] = EMOTIONS, emphasis: bool = True) -> tuple[Step, ...]:
    """The decisions of a structured paragraph: age and gender, pitch, volume, speed, transcript, emotion, emphasis.

    Example
    -------
    >>> from speechbrain_xser.answer.parse import parse
    >>> first = ["An old man", "low pitch", "low volume", "at a slow pace", "so be it", "his", "anger", "be"]
    >>> text = "".join(said + step.after for said, step in zip(first, structured_form(), strict=True))
    >>> text
    'An old man with low pitch and low volume speaks at a slow pace, stating, "so be it", his anger evident, \
    accentuating the word "be".'
    >>> parse(text).emotion, parse(text).descriptors.age, parse(text).transcript
    ('angry', 'elderly', 'so be it')
    """
    persons = tuple(_GENDERS)
    volumes = tuple(f"{VOLUME_WORDS[level]} volume" for level in LEVELS)
    nouns = tuple(emotion_phrase(emotion, "noun") for emotion in emotions)
    steps = (
        Step(persons, " with "),
        Step(tuple(f"{level} pitch" for level in LEVELS), " and "),
        Step(volumes, " speaks "),
        Step(tuple(PACE_PHRASES.values()), ', stating, "'),
        Step(None, '", '),
        Step(_possessive, " "),
        Step(nouns, ' evident, accentuating the word "' if emphasis else " evident."),
    )
    return (*steps, Step(None, '".')) if emphasis else steps


def _with_article(person: str) -> str:
    article = "An" if person[0] in "aeiou" else "A"
    return f"{article} {person}"


_GENDERS = {_with_article(person): gender for gender, by_age in PERSONS.items() for person in by_age.values()}


def _possessive(said: str) -> tuple[str]:
    """The possessive of the person whom the text begins with.

    Example
    -------
    >>> _possessive("An old woman with low pitch")
    ('her',)
    """
    return (POSSESSIVES[_GENDERS[said.partition(" with ")[0]]],)
