"""Every phrase that ``write`` combines; ``parse`` reads each of them.

A fact can stand in three places of a sentence: before its subject (``front``), as its verb (``predicate``) or after
it (``trailing``). No emotion's phrase needs an article. Emotions keep the words of ``emotion_phrase``, because a
synonym often means a weaker or a stronger emotion.

Topic and tone are free text without commas or double quotes. A clause with one of them ends at a comma or at the end of
the paragraph, and the words around the text show which clause it is (the patterns are in ``slots.py``). So nothing in
the text itself can be mistaken for another clause.
"""

from __future__ import annotations

from typing import NamedTuple


class Clauses(NamedTuple):
    """The ways to state one fact, by its place in the sentence.

    Example
    -------
    >>> CLAUSES["speed"].predicate[0].format("slowly")
    'speaks slowly'
    """

    front: tuple[str, ...]
    predicate: tuple[str, ...]
    trailing: tuple[str, ...]


TOPIC_OPENINGS = (  # at the very start of a paragraph
    "within the realm of {}",
    "on the topic of {}",
    "talking about {}",
    "on the subject of {}",
    "speaking about {}",
    "discussing {}",
)
_SOUNDING = ("sounding {adjective}", "clearly {adjective}", "audibly {adjective}", "{his} {noun} evident")
_STRESSING = ("stressing {}", "accentuating {}", "highlighting {}", "emphasizing {}", "with emphasis on {}")
CLAUSES = {
    "levels": Clauses(
        ("with {}", "using {}", "speaking with {}", "keeping to {}"),
        ("speaks with {}", "talks with {}", "uses {}", "keeps to {}"),
        ("with {}", "using {}", "keeping to {}"),
    ),
    "speed": Clauses(
        ("{}", "speaking {}", "talking {}"),
        ("speaks {}", "talks {}"),
        ("{}", "speaking {}", "talking {}", "the words coming {}"),
    ),
    "emotion": Clauses(
        _SOUNDING,
        ("sounds {adjective}", "is clearly {adjective}", "comes across as {adjective}", "lets {his} {noun} be heard"),
        (*_SOUNDING, "{his} {noun} plain to hear"),
    ),
    "emphasis": Clauses(
        (*_STRESSING, "placing stress on {}"),
        ("stresses {}", "accentuates {}", "emphasizes {}", "highlights {}", "puts emphasis on {}"),
        (*_STRESSING, "drawing attention to {}"),
    ),
    "transcript": Clauses(
        ('saying, "{}"', 'uttering, "{}"', 'stating, "{}"'),
        ('says, "{}"', 'states, "{}"', 'utters, "{}"', 'remarks, "{}"'),
        ('saying, "{}"', 'uttering, "{}"', 'stating, "{}"'),
    ),
    "topic": Clauses(
        ("taking {} as the subject", "turning to {} as the subject"),
        ("takes {} as the subject", "turns to {} as the subject"),
        ("with {} as the topic", "taking {} as the subject"),
    ),
    "tone": Clauses(
        ("remaining {} in manner", "staying {} in manner"),
        ("remains {} in manner", "stays {} in manner"),
        ("{} in tone", "remaining {} in manner"),
    ),
}
MODIFIERS = ("with {}",)  # for levels, between a person and the verb
WITHOUT_FACTS = ("speaks", "talks")  # the verb of a sentence with nothing left to say

LEVEL_WORDINGS = {
    "pitch": {
        "low": ("low pitch", "a low pitch", "a low-pitched voice"),
        "normal": ("normal pitch", "medium pitch", "average pitch", "a normal pitch"),
        "high": ("high pitch", "a high pitch", "a high-pitched voice"),
    },
    "volume": {
        "low": ("low volume", "low energy", "a low volume"),
        "normal": ("moderate volume", "normal volume", "medium volume", "moderate energy"),
        "high": ("high volume", "high energy", "a high volume"),
    },
    "intonation": {
        "flat": ("flat intonation", "monotonous intonation", "a flat intonation", "flat inflection"),
        "normal": ("normal intonation", "regular intonation", "a normal intonation", "moderate inflection"),
        "lively": ("lively intonation", "animated intonation", "a lively intonation", "varied inflection"),
    },
}
SPEED_WORDINGS = {
    "slow": ("slowly", "at a slow pace", "at a slow speed", "at a leisurely pace", "unhurriedly"),
    "normal": ("at a normal pace", "at a moderate pace", "at normal speed", "at a steady pace", "at an average speed"),
    "fast": ("rapidly", "quickly", "at a fast pace", "at a quick pace", "at a rapid pace"),
}
PRONOUNS = {"male": "he", "female": "she", None: "the speaker"}
