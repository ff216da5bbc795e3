"""Finds the free texts of a paragraph (quotes, topic, tone) and masks them before any label is looked for.

A free text may look like descriptors, emotions or prompt slots. Once masked, it cannot be read as one.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from speechbrain_xser.answer.render import DOUBLE_QUOTES
from speechbrain_xser.answer.templates import TOPIC_OPENINGS


def _clause(before: str, after: str, start: str = r"\b") -> re.Pattern:
    """The pattern of a clause with free text in it, which ends at a comma or at the end of the paragraph."""
    before = rf"(?:{before})\s+" if before else ""
    return re.compile(rf'{start}{before}([^,"]+?)\s+{after}(?=\s*(?:,|\.?\s*\Z))', re.I)


_QUOTED = re.compile(r'"([^"]*)(?:"|\Z)')
_STRESS = r"(?:accent\w*|emphasi[sz]\w*|emphasis|stress\w*|highlight\w*|underlin\w*|attention)"
_STRESS_BEFORE = re.compile(
    rf"\b(?:{_STRESS}(?:\s+(?:on|to|upon))?|words?)(?:\s+the)?(?:\s+words?)?\s*[:,]?\s*\Z", re.I
)
_STRESS_AFTER = re.compile(rf"\A\s+(?:with|by)\b[^,.]*\b{_STRESS}(?!\s+on\b)", re.I)
_JOINED = re.compile(r"\A\s*(?:,|&|,?\s*and)\s*\Z", re.I)
_OPENING = "|".join(opening.removesuffix(" {}") for opening in TOPIC_OPENINGS)
_OWN_TOPICS = (
    re.compile(rf'\A\s*(?:{_OPENING})\s+([^,"]+),', re.I),
    _clause("with", "as the topic", r",\s*"),
    _clause("tak(?:es|ing)|turn(?:s|ing) to", "as the subject"),
)
_TOPIC = re.compile(r"\b(?:realm|context|domain|world|field|topic|category) of (?:the )?([^,.\"]+)", re.I)
_OWN_TONES = (_clause("", "in tone", r",\s*"), _clause("remain(?:s|ing)|stay(?:s|ing)", "in manner"))
_TONE = re.compile(r"\b(?:in|with) an? ([\w-]+) (?:tone|manner)\b", re.I)


class Slots(NamedTuple):
    """The free texts of a paragraph, and the paragraph without them.

    Example
    -------
    >>> slots = find_slots('Talking about sports, a man speaks, uttering, "Go on", with emphasis on the word "on".')
    >>> slots.transcript, slots.emphasis, slots.topic
    ('Go on', ('on',), 'sports')
    """

    transcript: str | None
    emphasis: tuple[str, ...] | None
    topic: str | None
    tone: str | None
    rest: str  # the paragraph with free text masked by "_", same length
    spans: dict[str, tuple[int, int]]  # where transcript, topic and tone stand, in characters of the paragraph


def find_slots(paragraph: str) -> Slots:
    """Finds and masks the free texts of a paragraph.

    Arguments
    ---------
    paragraph : str
        Any text.

    Returns
    -------
    Slots
        The texts found; positions in ``rest`` are positions in the paragraph.

    Example
    -------
    >>> text = 'A man speaks, stating, "I am sad".'
    >>> slots = find_slots(text)
    >>> slots.rest, text[slice(*slots.spans["transcript"])]
    ('A man speaks, stating, "_________.', 'I am sad')
    """
    text = re.sub(f"[{DOUBLE_QUOTES}]", '"', paragraph)
    quotes = list(_QUOTED.finditer(text))
    stressed = _stressed(text, quotes)
    texts = [quote[1].strip() for quote in quotes]
    spoken = next((quote for quote, stress in zip(quotes, stressed, strict=True) if not stress), None)
    emphasis = tuple(word for word, stress in zip(texts, stressed, strict=True) if stress and word)
    for quote in quotes:
        text = _mask(text, quote.start() + 1, quote.end())
    topic, text = _take(text, *_OWN_TOPICS)
    tone, text = _take(text, *_OWN_TONES)
    if _text(topic) is None:
        topic, text = _take(text, _TOPIC)
    tone = tone if _text(tone) else _TONE.search(text)
    found = {"transcript": spoken, "topic": topic, "tone": tone}
    spans = {name: match.span(1) for name, match in found.items() if _text(match)}
    return Slots(_text(spoken), emphasis or None, _text(topic), _text(tone), text, spans)


def quoted_texts(paragraph: str) -> list[str]:
    """What a paragraph quotes, emphasised words left out; of a whole paragraph just the transcript.

    Example
    -------
    >>> quoted_texts('A man says, "Go on", accentuating the word "on".')
    ['Go on']
    """
    text = re.sub(f"[{DOUBLE_QUOTES}]", '"', paragraph)
    quotes = list(_QUOTED.finditer(text))
    return [quote[1].strip() for quote, stress in zip(quotes, _stressed(text, quotes), strict=True) if not stress]


def without_transcript(paragraph: str) -> str:
    """A paragraph without its transcript, for comparing descriptions; quoted emphasised words stay.

    Example
    -------
    >>> without_transcript('A man speaks, stating, "Go on", his anger evident, accentuating the word "on".')
    'A man speaks, stating, his anger evident, accentuating the word "on".'
    """
    text = re.sub(f"[{DOUBLE_QUOTES}]", '"', paragraph)
    quotes = list(_QUOTED.finditer(text))
    for quote, stress in reversed(list(zip(quotes, _stressed(text, quotes), strict=True))):
        if not stress:
            text = f"{text[: quote.start()].rstrip(' ,')}{_punctuated(text[quote.end() :])}"
    return text


def _punctuated(rest: str) -> str:
    """What follows a quote, starting with a mark that ends the clause before it."""
    rest = rest.lstrip()
    return rest if not rest or rest[0] in ",." else f", {rest}"


def _stressed(text: str, quotes: list[re.Match]) -> list[bool]:
    """Which quotes are emphasised words: by the words before or after, or because they are joined to one that is."""
    ends = [0, *(quote.end() for quote in quotes)]
    starts = [*(quote.start() for quote in quotes[1:]), len(text)] if quotes else []
    stressed: list[bool] = []
    for quote, end, following in zip(quotes, ends[:-1], starts, strict=True):
        before, after = text[end : quote.start()], text[quote.end() : following]
        joined = bool(stressed) and stressed[-1] and bool(_JOINED.match(before))
        stressed.append(joined or bool(_STRESS_BEFORE.search(before[-80:]) or _STRESS_AFTER.match(after)))
    return stressed


def _mask(text: str, start: int, stop: int) -> str:
    return text[:start] + "_" * (stop - start) + text[stop:]


def _take(text: str, *patterns: re.Pattern) -> tuple[re.Match | None, str]:
    """The match of the first pattern that matches, and the text with its first group masked."""
    found = next(filter(None, (pattern.search(text) for pattern in patterns)), None)
    return found, text if found is None else _mask(text, *found.span(1))


def _text(match: re.Match | None) -> str | None:
    """The first group of a match, None if it is blank."""
    return None if match is None else match[1].strip() or None
