"""The words for all labels: what ``render`` writes and what ``parse`` reads.

Written phrase of each label (the parser reads these and the synonyms below):

========== ============================ ================================= ===============================
field      low / slow / flat            normal                            high / fast / lively
========== ============================ ================================= ===============================
pitch      low pitch                    normal pitch                      high pitch
volume     low volume                   moderate volume                   high volume
intonation flat intonation              normal intonation                 lively intonation
speed      at a slow pace               at a normal pace                  at a fast pace
========== ============================ ================================= ===============================

Persons are ``PERSONS[gender][age]``; each emotion has a noun and an adjective, for neutral "neutral mood" and
"neutral". No emotion's phrase needs an article, so one can replace another.
"""

from __future__ import annotations

from typing import NamedTuple

from speechbrain_xser.answer.record import LEVELS, SPEEDS


class EmotionWords(NamedTuple):
    """The words for one emotion; the first noun and the first adjective are the ones written."""

    nouns: tuple[str, ...]
    adjectives: tuple[str, ...]


EMOTION_WORDS = {
    "neutral": EmotionWords(
        ("neutral mood", "neutrality", "neutral emotion", "neutral tone"),
        ("neutral", "neutrally", "natural", "naturally"),
    ),
    "happy": EmotionWords(
        ("happiness", "joy", "delight", "cheerfulness"),
        ("happy", "happily", "joyful", "joyfully", "cheerful", "cheerfully", "joyous", "delighted", "glad"),
    ),
    "sad": EmotionWords(
        ("sadness", "sorrow", "grief"), ("sad", "sadly", "sorrowful", "sorrowfully", "somber", "sombre", "mournful")
    ),
    "angry": EmotionWords(("anger", "rage", "fury"), ("angry", "angrily", "furious", "furiously", "irate", "enraged")),
    "surprised": EmotionWords(
        ("surprise", "astonishment", "amazement"), ("surprised", "astonished", "amazed", "startled")
    ),
    "fearful": EmotionWords(
        ("fear", "fearfulness", "fright", "terror"),
        ("fearful", "fearfully", "afraid", "scared", "frightened", "terrified"),
    ),
    "disgusted": EmotionWords(("disgust", "revulsion"), ("disgusted", "disgustedly", "disgusting", "revolted")),
}

PERSONS = {
    "male": {
        None: "man",
        "child": "boy",
        "teenager": "teenage boy",
        "youth adult": "young man",
        "middle-aged": "middle-aged man",
        "elderly": "old man",
    },
    "female": {
        None: "woman",
        "child": "girl",
        "teenager": "teenage girl",
        "youth adult": "young woman",
        "middle-aged": "middle-aged woman",
        "elderly": "old woman",
    },
    None: {
        None: "person",
        "child": "child",
        "teenager": "teenager",
        "youth adult": "young adult",
        "middle-aged": "middle-aged person",
        "elderly": "old person",
    },
}
POSSESSIVES = {"male": "his", "female": "her", None: "their"}

VOLUME_WORDS = dict(zip(LEVELS, ("low", "moderate", "high"), strict=True))
PACE_PHRASES = {speed: f"at a {speed} pace" for speed in SPEEDS}
SPEED_PHRASES = {"slow": "slowly", "normal": "at normal speed", "fast": "rapidly"}
TEMPO_PHRASES = {speed: f"with {speed} tempo" for speed in SPEEDS}

# Synonyms that the parser reads. A level word stands for rank 0, 1 or 2 of its attribute's vocabulary.
RANK_WORDS = (
    tuple("low lower lowered slow deep soft quiet weak flat monotone monotonous leisurely".split()),
    tuple("normal moderate medium average usual regular ordinary steady natural".split()),
    tuple("high higher heightened raised fast rapid quick brisk loud strong lively animated expressive varied".split()),
)
HEADS = {
    "pitch": ("pitch", "pitched"),
    "volume": ("volume", "energy", "loudness"),
    "speed": ("speed", "pace", "paced", "rate", "tempo", "rhythm", "speech"),
    "intonation": ("intonation", "inflection", "melody"),
}
LONE_WORDS = {
    "pitch": (("deep voice", "deep tone", "deep-voiced"), (), ("shrill", "shrilly")),
    "volume": (
        ("quiet", "quietly", "soft", "softly", "soft-spoken", "whisper", "whispers", "whispering", "whispered"),
        (),
        ("loud", "loudly", "shout", "shouts", "shouting", "shouted"),
    ),
    "speed": (
        ("slow", "slowly", "leisurely", "unhurried", "unhurriedly"),
        (),
        ("fast", "rapid", "rapidly", "quick", "quickly", "swiftly", "briskly", "hurriedly"),
    ),
    "intonation": (("monotone", "monotonous", "monotonously"), (), ()),
}


def emotion_phrase(emotion: str, form: str) -> str:
    """The word that is written for an emotion.

    Arguments
    ---------
    emotion : str
        One of ``EMOTIONS``.
    form : str
        ``"noun"`` or ``"adjective"``.

    Returns
    -------
    str
        The word, e.g. ``"anger"`` or ``"angry"``.

    Raises
    ------
    KeyError
        If there is no such emotion or form.

    Example
    -------
    >>> emotion_phrase("angry", "noun"), emotion_phrase("angry", "adjective"), emotion_phrase("neutral", "noun")
    ('anger', 'angry', 'neutral mood')
    """
    words = EMOTION_WORDS[emotion]
    return {"noun": words.nouns, "adjective": words.adjectives}[form][0]
