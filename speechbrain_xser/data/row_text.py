"""A checked utterance as one text, which is parsed sooner than JSON: the rows of :mod:`.mapped_rows`."""

from __future__ import annotations

import json
from typing import NamedTuple

from speechbrain_xser.data.manifest import Utterance

BETWEEN = "\x1f"  # fields: ASCII's unit separator
AFTER = "\x1e"  # each word of emphasis, which starts with WORDS
WORDS = "="
START, STOP, DURATION, EMPHASIS = map(Utterance._fields.index, ("start", "stop", "duration", "emphasis"))


class Row(NamedTuple):
    """A row to be written, with what is looked up without parsing it."""

    text: str
    id: str
    wav: str
    seconds: float | None  # see stated_seconds


def stated_seconds(utterance: Utterance) -> float | None:
    """Length of the segment, or as stated; ``None`` if only the sound file can say.

    Example
    -------
    >>> stated_seconds(Utterance("a", "a.wav", start=1.0, stop=3.0)), stated_seconds(Utterance("a", "a.wav", start=1.0))
    (2.0, None)
    """
    return utterance.duration if utterance.stop is None else utterance.stop - (utterance.start or 0.0)


def row_text(utterance: Utterance) -> str:
    """A checked utterance as a text that is read sooner than JSON. An empty field is ``None``: no text is empty.

    A text that has one of the separators makes it a separator and a JSON array.

    Example
    -------
    >>> row_text(Utterance("a", "a.wav", duration=2.5))[:14]
    'a\\x1fa.wav\\x1f\\x1f\\x1f2.5\\x1f'
    """
    fields = list(utterance)
    for place in (START, STOP, DURATION):
        fields[place] = fields[place] is not None and repr(fields[place])
    words = fields[EMPHASIS]
    fields[EMPHASIS] = words is not None and WORDS + "".join([word + AFTER for word in words])
    text = BETWEEN.join([field or "" for field in fields])
    plain = text.count(BETWEEN) == len(fields) - 1 and text.count(AFTER) == len(words or ())
    return text if plain else BETWEEN + json.dumps(utterance)


def utterance_of(text: str) -> Utterance:
    """The utterance of a :func:`row_text`; a ``ValueError`` or ``TypeError`` if it is none.

    Example
    -------
    >>> odd = Utterance("a\\x1f", "a.wav", start=1, stop=2.5, transcript="\\x1f", emphasis=("", "b"))
    >>> utterance_of(row_text(odd)) == odd
    True
    """
    if text.startswith(BETWEEN):
        fields = json.loads(text[1:])
        if fields[EMPHASIS] is not None:
            fields[EMPHASIS] = tuple(fields[EMPHASIS])
        return Utterance._make(fields)
    fields = [field or None for field in text.split(BETWEEN)]
    for place in (START, STOP, DURATION):
        if (number := fields[place]) is not None:
            fields[place] = int(number) if number.isdigit() else float(number)
    if fields[EMPHASIS] is not None:
        fields[EMPHASIS] = tuple(fields[EMPHASIS][len(WORDS) :].split(AFTER)[:-1])
    return Utterance._make(fields)


def row_of(utterance: Utterance) -> Row:
    """The row of a checked utterance.

    Example
    -------
    >>> row_of(Utterance("a", "a.wav", start=1.0, stop=3.0))[1:]
    ('a', 'a.wav', 2.0)
    """
    return Row(row_text(utterance), utterance.id, utterance.wav, stated_seconds(utterance))
