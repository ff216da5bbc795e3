"""Turns a paragraph back into a record. What is missing is ``None``; no text makes it raise.

It reads the phrases that ``render`` writes and SpeechCraft's common wordings ("an old male with normal pitch and energy
speaks rapidly"). If a text says two things about one field, the first counts. "Adult" alone gives no age (it could be
any of three); a boy or a girl without another age word is a child.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from speechbrain_xser.answer.phrases import EMOTION_WORDS, HEADS, LONE_WORDS, RANK_WORDS
from speechbrain_xser.answer.record import VOCABULARIES, Descriptors, Record
from speechbrain_xser.answer.slots import find_slots


def _words(words) -> str:
    """A pattern for whole words, the longest first."""
    return "(?:" + "|".join(sorted(map(re.escape, words), key=len, reverse=True)) + ")"


_PERSON = r"(?:man|woman|male|female|lady|gentleman|person|speaker|adult|guy|individual|voice)"
_AGES = (
    ("teenager", re.compile(r"\b(?:teen|teenage|teenaged|teenager|adolescent)\b", re.I)),
    ("middle-aged", re.compile(r"\bmiddle[- ]age[d]?\b", re.I)),
    ("elderly", re.compile(rf"\b(?:elderly|senior|elder|(?<!-)(?:old|older|aged) (?:[\w-]+ )?{_PERSON})\b", re.I)),
    ("youth adult", re.compile(rf"\b(?:youth|youthful|young adult|young (?:[\w-]+ )?{_PERSON})\b", re.I)),
    ("child", re.compile(r"\b(?:child|kid|toddler|boy|girl)\b", re.I)),
)
GENDER_PATTERNS = (
    re.compile(r"\b(?:(man|male|boy|gentleman|guy)|(woman|female|girl|lady))(?:'s)?\b", re.I),
    re.compile(r"\b(?:(he|his|him)|(she|her|hers))\b", re.I),
)
RANKS = [word for words in RANK_WORDS for word in words]
_ANY_HEAD = _words(head for heads in HEADS.values() for head in heads)
_NEGATION = r"(?:\b(?:not|no|never|neither|nor|without)|n't)(?:\s+(?:a|any|the|hint|trace|sign|of))*\s+"
_EMOTION = re.compile(
    rf"({_NEGATION})?\b("
    + _words(word for words in EMOTION_WORDS.values() for form in words for word in form)
    + r")\b(?!\s+(?:pitch|volume|pace|speed|intonation)\b)"
    + rf"(?!(?<=natural|neutral)[- ]{_ANY_HEAD}\b)",  # "a natural tempo" names no emotion, "joyful energy" does
    re.I,
)
_EMOTION_OF = {
    word: (emotion, form)
    for emotion, words in EMOTION_WORDS.items()
    for form, listed in (("noun", words.nouns), ("adjective", words.adjectives))
    for word in listed
}


def _level_patterns(field: str) -> tuple[re.Pattern, ...]:
    """ "low pitch", "low-pitched", "normal pitch and energy"; then "pitch is low"."""
    head, rank = _words(HEADS[field]), _words(RANKS)
    shared = rf"(?:{_ANY_HEAD}(?:,? and |, ))*"
    return (
        re.compile(rf"\b({rank})[- ]{shared}(?:speaking |speech |voice )?{head}\b", re.I),
        re.compile(rf"\b{head} (?:(?:is|was|remains|remaining|being|stays) )?({rank})\b(?![- ]{_ANY_HEAD})", re.I),
    )


LEVEL_PATTERNS = {field: _level_patterns(field) for field in HEADS}
LONE_PATTERNS = {field: re.compile(rf"\b(?:{_words(sum(ranks, ()))})\b", re.I) for field, ranks in LONE_WORDS.items()}


def parse(paragraph: str) -> Record:
    """Reads the record out of a paragraph.

    Arguments
    ---------
    paragraph : str
        Any text, e.g. an answer of the decoder.

    Returns
    -------
    Record
        Fields that the text does not give are ``None``; a quote that is never closed runs to the end.

    Example
    -------
    >>> parse("Expressing anger in the domain of news, an old male with normal pitch and energy speaks rapidly.")
    Record(transcript=None, descriptors=Descriptors(gender='male', age='elderly', pitch='normal', volume='normal', \
speed='fast', intonation=None, emphasis=None, tone=None, topic='news'), emotion='angry')
    >>> parse('A woman says, "I am a sad old man".').emotion is None
    True
    >>> parse("") == Record()
    True
    """
    slots = find_slots(paragraph)
    spoken = Descriptors(
        gender=_gender(slots.rest),
        age=_age_match(slots.rest)[0],
        **{field: _level_match(field, slots.rest)[0] for field in HEADS},
        emphasis=slots.emphasis,
        tone=slots.tone,
        topic=slots.topic,
    )
    found = _named_emotion(slots.rest)
    return Record(slots.transcript, spoken, _EMOTION_OF[found[2].lower()][0] if found else None)


def emotion_span(paragraph: str) -> tuple[int, int, str] | None:
    """Where a paragraph names the emotion, outside all free text.

    Arguments
    ---------
    paragraph : str
        Any text.

    Returns
    -------
    tuple of (int, int, str), or None
        Start and end of the word in characters, and its form, ``"noun"`` or ``"adjective"``.

    Example
    -------
    >>> text = 'A man speaks, stating, "I am happy", his anger evident.'
    >>> start, end, form = emotion_span(text)
    >>> text[start:end], form
    ('anger', 'noun')
    """
    found = _named_emotion(find_slots(paragraph).rest)
    return (*found.span(2), _EMOTION_OF[found[2].lower()][1]) if found else None


def descriptor_spans(paragraph: str) -> dict[str, tuple[int, int]]:
    """Where a paragraph gives each descriptor that :func:`parse` reads: start and end in characters.

    Example
    -------
    >>> text = 'An old man with low pitch and moderate volume says, "I speak fast".'
    >>> {field: text[start:end] for field, (start, end) in descriptor_spans(text).items()}
    {'gender': 'man', 'age': 'old man', 'pitch': 'low pitch', 'volume': 'moderate volume'}
    """
    text = find_slots(paragraph).rest
    found = {"gender": _gender_match(text), "age": _age_match(text)[1]}
    found |= {field: _level_match(field, text)[1] for field in HEADS}
    return {field: match.span() for field, match in found.items() if match is not None}


def _named_emotion(text: str) -> re.Match | None:
    """The first word for an emotion, in group 2, that is not negated."""
    return next(_named_emotions(text), None)


def _named_emotions(text: str) -> Iterator[re.Match]:
    """The words for emotions, in group 2, that are not negated."""
    return (match for match in _EMOTION.finditer(text) if not match[1])


def emotions_in(text: str) -> list[str]:
    """The emotions that a text without its free parts names, in order, one of each word.

    Example
    -------
    >>> emotions_in("not sad, but angry and in a rage")
    ['angry', 'angry']
    """
    return [_EMOTION_OF[match[2].lower()][0] for match in _named_emotions(text)]


def _gender(text: str) -> str | None:
    """By the first noun, otherwise by the first pronoun."""
    found = _gender_match(text)
    return None if found is None else "male" if found[1] else "female"


def _gender_match(text: str) -> re.Match | None:
    return next((match for match in (pattern.search(text) for pattern in GENDER_PATTERNS) if match), None)


def _age_match(text: str) -> tuple[str | None, re.Match | None]:
    found = ((age, pattern.search(text)) for age, pattern in _AGES)
    return next(((age, match) for age, match in found if match), (None, None))


def _level_match(field: str, text: str) -> tuple[str | None, re.Match | None]:
    """The word of the field's vocabulary, and where it stands."""
    for pattern in LEVEL_PATTERNS[field]:
        found = pattern.search(text)
        if found:
            return VOCABULARIES[field][rank_of(RANK_WORDS, found[1])], found
    found = LONE_PATTERNS[field].search(text)
    return (VOCABULARIES[field][rank_of(LONE_WORDS[field], found[0])], found) if found else (None, None)


def rank_of(table: tuple[tuple[str, ...], ...], word: str) -> int:
    """The rank of a word that a table has; a ``StopIteration`` for any other.

    Example
    -------
    >>> rank_of(RANK_WORDS, "Moderate")
    1
    """
    return next(rank for rank, words in enumerate(table) if word.lower() in words)
