"""Writes the two paragraphs of an utterance, with and without its transcript, from its record.

There are two wordings. "plain" has one order of the facts and three phrases for each, which a very small LLM learns;
"varied" has every order and hundreds of phrases, for an LLM that knows English already.
"""

from __future__ import annotations

import zlib
from typing import Literal, get_args

from speechbrain_xser.answer.record import Record
from speechbrain_xser.answer.render import describe, render
from speechbrain_xser.answer.wording import write, write_description
from speechbrain_xser.data.manifest import Utterance

Wording = Literal["plain", "varied"]


def with_paragraphs(utterance: Utterance, wording: Wording = "plain") -> Utterance:
    """Writes both paragraphs, in a form chosen by the id, unless the utterance has a paragraph already.

    Example
    -------
    >>> spoken = with_paragraphs(Utterance("a", "a.wav", transcript="Go", gender="male", emotion="angry"))
    >>> spoken.description, spoken.caption
    ('A man speaks, his anger evident.', 'A man speaks, stating, "Go", his anger evident.')
    >>> with_paragraphs(Utterance("a", "a.wav", gender="male", emotion="angry"), "varied").description
    'A man is clearly angry.'
    >>> with_paragraphs(Utterance("a", "a.wav", description="悲伤逆流成河")).caption is None
    True
    """
    record = utterance.record()
    if utterance.description or utterance.caption or record == Record():
        return utterance
    if wording == "varied":
        texts = write_description(record, utterance.id), write(record, utterance.id)
    else:
        variant = zlib.crc32(utterance.id.encode("utf-8", "surrogatepass"))
        texts = describe(record, variant), render(record, variant)
    return utterance._replace(description=texts[0], caption=texts[1])


def has_own_paragraphs(utterance: Utterance) -> bool:
    """Whether a human or the corpus wrote the paragraphs, rather than :func:`with_paragraphs`.

    Example
    -------
    >>> has_own_paragraphs(with_paragraphs(Utterance("a", "a.wav", emotion="sad")))
    False
    >>> has_own_paragraphs(Utterance("a", "a.wav", caption="A tired voice."))
    True
    """
    bare = utterance._replace(description=None, caption=None)
    return utterance not in (bare, *(with_paragraphs(bare, wording) for wording in get_args(Wording)))
