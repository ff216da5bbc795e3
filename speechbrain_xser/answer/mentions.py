"""Every label that a paragraph gives for a field, so that an answer that names several is not taken at its first word.

:func:`~speechbrain_xser.answer.parse.parse` reads the first label of a field. "A man and a woman with low or high
pitch, angry and sad" is then a man with high pitch who is angry; here it is an answer that has not decided.
"""

from __future__ import annotations

import re

from speechbrain_xser.answer.parse import (
    GENDER_PATTERNS,
    LEVEL_PATTERNS,
    LONE_PATTERNS,
    RANKS,
    descriptor_spans,
    emotion_span,
    emotions_in,
    rank_of,
)
from speechbrain_xser.answer.phrases import HEADS, LONE_WORDS, RANK_WORDS
from speechbrain_xser.answer.record import GENDERS, VOCABULARIES
from speechbrain_xser.answer.slots import find_slots

JOINT = r"(?:\s*[,/]\s*|\s+(?:and|or|to|nor|but)\s+|[,\s]+(?:and|or|to|then)\s+)"
_LAST_JOINT = r"(?:\s*/\s*|\s*,?\s+(?:and|or|to|nor|but|then)\s+)"
_ADVERBS = "(?:(?:even|very|quite|rather|maybe|perhaps|possibly|sometimes|first|then|later|also) )*"
_RANK = f"(?:{'|'.join(RANKS)})"
_CHAIN = {  # "low, normal or high" before "pitch"
    field: re.compile(
        rf"\b(?<!\bis )(?<!\bwas )({_RANK}(?:{JOINT}{_ADVERBS}{_RANK})+)[- ](?:speaking |speech |voice )?"
        rf"(?:{'|'.join(heads)})\b",
        re.I,
    )
    for field, heads in HEADS.items()
}

_LEVELS = "low lower lowered normal moderate medium average usual regular ordinary natural high higher raised"
_OF_FIELD = {
    "pitch": "deep",
    "volume": "soft quiet weak loud strong",
    "speed": "slow leisurely steady fast rapid quick brisk",
    "intonation": "flat monotone monotonous lively animated expressive varied",
}
# after a chain; before another word its last one would be said of that
_OVER = r"(?=\s*(?:$|[^\w\s-])|\s+(?:with|and|but|while|as|in|at|whose|is|was|speaks|talks|says)\b)"


def _chain_after(field: str) -> re.Pattern:
    """ "low, normal or high" after "pitch is"; only words that are said of this field."""
    rank = f"(?:{'|'.join(f'{_LEVELS} {_OF_FIELD[field]}'.split())})"
    verb = "(?:(?:is|was|remains|remaining|being|stays|either) )*"
    heads = "|".join(HEADS[field])
    chain = rf"{rank}(?:{JOINT}{_ADVERBS}{rank})*?{_LAST_JOINT}{_ADVERBS}{rank}"
    return re.compile(rf"\b(?:{heads}) {verb}{_ADVERBS}({chain})\b{_OVER}", re.I)


_CHAIN_AFTER = {field: _chain_after(field) for field in HEADS}

Labels = dict[str, tuple[str, ...]]  # by field, in the order of their first mention


def labels_named(paragraph: str) -> Labels:
    """All labels of gender, pitch, volume, speed, intonation and emotion that a paragraph names outside free text.

    Arguments
    ---------
    paragraph : str
        Any text.

    Returns
    -------
    dict of str to tuple of str
        Different labels of each field that is named; more than one is an answer that has not decided.

    Example
    -------
    >>> labels_named("A man with low pitch speaks slowly, his anger evident.")
    {'gender': ('male',), 'pitch': ('low',), 'speed': ('slow',), 'emotion': ('angry',)}
    >>> labels_named("A man and a woman with low or high pitch, angry, sad, not happy.")
    {'gender': ('male', 'female'), 'pitch': ('low', 'high'), 'emotion': ('angry', 'sad')}
    """
    text = find_slots(paragraph).rest
    found = {"gender": _genders(text), **{field: _levels(field, text) for field in HEADS}, "emotion": emotions_in(text)}
    return {field: tuple(dict.fromkeys(labels)) for field, labels in found.items() if labels}


def skeleton(paragraph: str) -> str:
    """The wording of a paragraph: each label as the name of its field, and no free text.

    Example
    -------
    >>> skeleton('A man with low pitch says, "Go on", his anger evident, stressing the word "on".')
    'A <gender> with <pitch> says, ", his <emotion> evident, stressing the word ".'
    """
    slots, emotion = find_slots(paragraph), emotion_span(paragraph)
    spans = {**descriptor_spans(paragraph), **({} if emotion is None else {"emotion": emotion[:2]})}
    spans |= {field: span for field, span in slots.spans.items() if field != "transcript"}
    text, end = slots.rest, len(slots.rest)
    for field, (start, stop) in sorted(spans.items(), key=lambda item: item[1], reverse=True):
        if stop <= end:  # two fields may share their words
            text, end = f"{text[:start]}<{field}>{text[stop:]}", start
    return re.sub(r"_+", "", text)


def _genders(text: str) -> list[str]:
    """By the nouns, otherwise by the pronouns."""
    for pattern in GENDER_PATTERNS:
        if found := [GENDERS[0] if match[1] else GENDERS[1] for match in pattern.finditer(text)]:
            return found
    return []


def _levels(field: str, text: str) -> list[str]:
    chains = [match[1] for pattern in (_CHAIN, _CHAIN_AFTER) for match in pattern[field].finditer(text)]
    words = [word for chain in chains for word in re.findall(rf"\b{_RANK}\b", chain, re.I)]
    words += [match[1] for pattern in LEVEL_PATTERNS[field] for match in pattern.finditer(text)]
    ranks = [rank_of(RANK_WORDS, word) for word in words]
    ranks += [rank_of(LONE_WORDS[field], match[0]) for match in LONE_PATTERNS[field].finditer(text)]
    return [VOCABULARIES[field][rank] for rank in ranks]
