"""Turns a record into one paragraph, in the style of SpeechCraft's "instruction" texts.

The order of the facts is the same in every variant: topic, age and gender, pitch, volume, intonation, speed, tone,
transcript, emotion, emphasis. There are few filler words, because a very small language model is trained on the same
texts. The phrases are in :mod:`speechbrain_xser.answer.phrases`. :func:`canonical` removes what a paragraph cannot
carry: ``parse(render(record, variant)) == canonical(record)`` for every record and variant.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from speechbrain_xser.answer.labels import check_labels
from speechbrain_xser.answer.phrases import (
    PACE_PHRASES,
    PERSONS,
    POSSESSIVES,
    SPEED_PHRASES,
    TEMPO_PHRASES,
    VOLUME_WORDS,
    emotion_phrase,
)
from speechbrain_xser.answer.record import Descriptors, Record

DOUBLE_QUOTES = '"\u201c\u201d\u201e\u201f\uff02'  # all characters that the parser reads as a double quote


class Variant(NamedTuple):
    """The fixed words of one way to write a record."""

    topic: str
    features: str
    verb: str
    speeds: dict[str, str]
    quote: str
    emotion: str
    form: str  # of the emotion: "noun" or "adjective"
    emphasis: str


VARIANTS = (
    Variant(
        "within the realm of {}, ",
        " with {}",
        " speaks",
        PACE_PHRASES,
        ', stating, "{}"',
        ", {} {} evident",
        "noun",
        ", accentuating the {} {}",
    ),
    Variant(
        "on the topic of {}, ",
        " in {}",
        " talks",
        SPEED_PHRASES,
        ', saying, "{}"',
        ", sounding {1}",
        "adjective",
        ", stressing the {} {}",
    ),
    Variant(
        "talking about {}, ",
        " of {}",
        " speaks",
        TEMPO_PHRASES,
        ', uttering, "{}"',
        ", clearly {1}",
        "adjective",
        ", with emphasis on the {} {}",
    ),
)


def render(record: Record, variant: int = 0) -> str:
    """Writes a record as a paragraph, with the transcript in double quotes; fields that are ``None`` are left out.

    Arguments
    ---------
    record : Record
        What to write.
    variant : int
        Index into ``VARIANTS``, modulo their number.

    Returns
    -------
    str
        One paragraph, one line.

    Raises
    ------
    ManifestError
        If a label is outside its vocabulary.

    Example
    -------
    >>> from speechbrain_xser.answer.parse import parse
    >>> old_man = Descriptors("male", "elderly", "low", "normal", "slow", emphasis=("people",), topic="politics")
    >>> record = Record("The way he talks about people", old_man, "angry")
    >>> render(record)
    'Within the realm of politics, an old man with low pitch and moderate volume speaks at a slow pace, stating, \
"The way he talks about people", his anger evident, accentuating the word "people".'
    >>> all(parse(render(record, variant)) == record for variant in range(len(VARIANTS)))
    True
    >>> render(Record(transcript="Hello"))
    'A person speaks, stating, "Hello".'
    """
    record = canonical(check_labels(record))
    words = VARIANTS[variant % len(VARIANTS)]
    parts = (_opening, _features, _manner, _quote, _emotion, _emphasis)
    text = "".join(part(record, words) for part in parts)
    return text[0].upper() + text[1:] + "."


def describe(record: Record, variant: int = 0) -> str:
    """Writes a record as a paragraph without the transcript.

    Arguments
    ---------
    record : Record
        What to write.
    variant : int
        As for :func:`render`.

    Returns
    -------
    str
        One paragraph, one line.

    Raises
    ------
    ManifestError
        If a label is outside its vocabulary.

    Example
    -------
    >>> describe(Record("Hello", Descriptors(gender="female"), "happy"), variant=1)
    'A woman talks, sounding happy.'
    """
    return render(record._replace(transcript=None), variant)


def canonical(record: Record) -> Record:
    """The record as a paragraph can carry it, which is what :func:`parse` returns.

    White space (also newlines) becomes single spaces, double quotes inside a text become single ones, commas in a topic
    or tone become "and", and empty texts become ``None``.

    Arguments
    ---------
    record : Record
        Any record.

    Returns
    -------
    Record
        The same labels, with texts that a paragraph can carry.

    Example
    -------
    >>> canonical(Record(transcript='He said\\n"no"', descriptors=Descriptors(topic="news, politics", emphasis=())))
    Record(transcript="He said 'no'", descriptors=Descriptors(gender=None, age=None, pitch=None, volume=None, \
    speed=None, intonation=None, emphasis=None, tone=None, topic='news and politics'), emotion=None)
    """
    spoken = record.descriptors
    emphasis = tuple(word for word in map(_one_line, spoken.emphasis or ()) if word) or None
    spoken = spoken._replace(emphasis=emphasis, tone=_no_commas(spoken.tone), topic=_no_commas(spoken.topic))
    return record._replace(transcript=_one_line(record.transcript), descriptors=spoken)


def _one_line(text: str | None) -> str | None:
    """The text on one line without double quotes, or ``None`` if nothing is left."""
    return re.sub(f"[{DOUBLE_QUOTES}]", "'", " ".join((text or "").split())) or None


def _no_commas(text: str | None) -> str | None:
    """The text on one line with commas replaced by "and", because a comma ends its place in the paragraph."""
    pieces = [piece.strip() for piece in (_one_line(text) or "").split(",")]
    pieces = [piece for piece in pieces if piece]
    return " and ".join(pieces[:1] + [piece.removeprefix("and ") for piece in pieces[1:]]) or None


def listed(items: list[str]) -> str:
    """Joins items as an English list.

    Example
    -------
    >>> [listed(["a", "b", "c"][:count]) for count in (1, 2, 3)]
    ['a', 'a and b', 'a, b and c']
    """
    return " and ".join(filter(None, (", ".join(items[:-1]), items[-1])))


def _opening(record: Record, words: Variant) -> str:
    spoken = record.descriptors
    person = PERSONS[spoken.gender][spoken.age]
    topic = words.topic.format(spoken.topic) if spoken.topic else ""
    return f"{topic}{'an' if person[0] in 'aeiou' else 'a'} {person}"


def _features(record: Record, words: Variant) -> str:
    spoken = record.descriptors
    levels = {"pitch": spoken.pitch, "volume": VOLUME_WORDS.get(spoken.volume), "intonation": spoken.intonation}
    heard = [f"{level} {name}" for name, level in levels.items() if level]
    return words.features.format(listed(heard)) if heard else ""


def _manner(record: Record, words: Variant) -> str:
    spoken = record.descriptors
    speed = f" {words.speeds[spoken.speed]}" if spoken.speed else ""
    return words.verb + speed + (f", {spoken.tone} in tone" if spoken.tone else "")


def _quote(record: Record, words: Variant) -> str:
    return words.quote.format(record.transcript) if record.transcript else ""


def _emotion(record: Record, words: Variant) -> str:
    if record.emotion is None:
        return ""
    return words.emotion.format(POSSESSIVES[record.descriptors.gender], emotion_phrase(record.emotion, words.form))


def _emphasis(record: Record, words: Variant) -> str:
    stressed = record.descriptors.emphasis
    if not stressed:
        return ""
    return words.emphasis.format("word" if len(stressed) == 1 else "words", listed([f'"{word}"' for word in stressed]))


__all__ = ["VARIANTS", "Descriptors", "Variant", "canonical", "describe", "listed", "render"]
