"""Maps corpora's words for emotions, genders, ages and splits to ours; words not in these tables are not guessed."""

from __future__ import annotations

import re

from speechbrain_xser.answer.record import AGES, EMOTIONS, GENDERS
from speechbrain_xser.data.speakers import age_band

OLDEST_YEARS = 120
UNKNOWN = {"", "nan", "none", "null", "na", "n a", "unknown", "unk"}  # words for "nothing is known"

EMOTION_WORDS = {
    **{emotion: emotion for emotion in EMOTIONS},
    **dict.fromkeys(("neutrality", "neu"), "neutral"),
    **dict.fromkeys(("happiness", "joy", "joyful", "hap"), "happy"),
    **dict.fromkeys(("sadness",), "sad"),
    **dict.fromkeys(("anger", "ang"), "angry"),
    **dict.fromkeys(("surprise", "sur", "ps", "pleasant surprise", "pleasant surprised"), "surprised"),
    **dict.fromkeys(("fear", "fea"), "fearful"),
    **dict.fromkeys(("disgust", "dis"), "disgusted"),
}
GENDER_WORDS = {
    **{gender: gender for gender in GENDERS},
    **dict.fromkeys(("m", "man", "masculine", "male masculine"), "male"),
    **dict.fromkeys(("f", "w", "woman", "feminine", "female feminine"), "female"),
}
SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev", "development"), "valid"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation"), "test"),
}
DECADES = ("teens", "twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties")
DECADE_YEARS = {word: (10 * n, 10 * n + 9) for n, word in enumerate(DECADES, start=1)} | {
    "teens": (13, 19),
    "fourties": (40, 49),  # Common Voice's spelling
}
YEARS = re.compile(r"(\d+(?:\.\d+)?)(?: years?(?: old)?)?")
YEARS_FROM_TO = re.compile(r"(\d+) (?:to )?(\d+)")
DECADE = re.compile(r"(\d*0)s")


def plain_word(value: object) -> str:
    """A label's cell for look-up: lower case, with single spaces for hyphens, underscores and slashes.

    Example
    -------
    >>> plain_word(" Pleasant_Surprise "), plain_word(None), plain_word(float("nan")), plain_word(25.0)
    ('pleasant surprise', '', 'nan', '25.0')
    """
    return "" if value is None else " ".join(re.sub(r"[-_/–]", " ", str(value).casefold()).split())


def age_of(value: object) -> str | None:
    """SpeechCraft's band for an age in years, a range of years, or words; None for others or a range over two bands.

    Example
    -------
    >>> [age_of(value) for value in (31.0, "26-35", "36-45", "20s", "sixties", "Middle-aged", "old")]
    ['youth adult', 'youth adult', None, 'youth adult', 'elderly', 'middle-aged', None]
    """
    word = plain_word(value)
    years = _years(word)
    if years is None or max(years) > OLDEST_YEARS:
        return {plain_word(band): band for band in AGES}.get(word)
    bands = {age_band(year) for year in years}
    return bands.pop() if len(bands) == 1 else None


def _years(word: str) -> tuple[float, float] | None:
    """The lowest and highest age that a word stands for."""
    if match := YEARS.fullmatch(word):
        return float(match[1]), float(match[1])
    if match := YEARS_FROM_TO.fullmatch(word):
        return float(match[1]), float(match[2])
    if match := DECADE.fullmatch(word):
        return float(match[1]), float(match[1]) + 9
    return DECADE_YEARS.get(word)
