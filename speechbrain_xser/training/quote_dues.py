"""What each word of a transcript costs an answer that quotes it, and where in the quote that is settled."""

from __future__ import annotations

import re
from typing import NamedTuple

import jiwer

from speechbrain_xser.answer.slots import find_slots
from speechbrain_xser.metrics.text_normalization import normalise
from speechbrain_xser.training.dues import Due


class SaidWord(NamedTuple):
    """A normalised word of a quote."""

    text: str
    end: int  # characters of the answer up to its last one


def quote_dues(answer: str, transcript: str) -> dict[str, Due]:
    """What the quote of an answer costs, word by word.

    A word of the transcript costs its own error and the words that are inserted before it. It is settled with the word
    that stands in its place; one that is left out, with the word that is said instead of it.

    Arguments
    ---------
    answer : str
        A paragraph.
    transcript : str
        What was said, at least one word.

    Returns
    -------
    dict of str to Due
        Of each word, and of what follows the last one; together the word error rate, at most 1. Without a quote each
        word costs its share, and only the whole answer settles that.

    Example
    -------
    >>> found = quote_dues('He says, "go up".', "go on")
    >>> [(name, *due[:2]) for name, due in found.items()]
    [('word 0', {'words': 0.0}, 12), ('word 1', {'words': 0.5}, 15), ('word 2', {'words': 0.0}, 16)]
    """
    words, span = normalise(transcript).split(), find_slots(answer).spans.get("transcript")
    if span is None:
        return _dues([1.0] * len(words), [None] * len(words))
    closed = span[1] + 1  # with its quotation mark
    said = _said(answer, *span)
    places = [*(word.end for word in said), closed]
    costs, ends = [0.0] * (len(words) + 1), [closed] * (len(words) + 1)
    for kind, first, last, start, stop in _aligned(words, [word.text for word in said]):
        if kind == "insert":
            costs[first] += stop - start
        for offset in range(last - first):
            costs[first + offset] += kind != "equal"
            ends[first + offset] = places[start if kind == "delete" else start + offset]
    return _dues(costs, ends)


def _dues(costs: list[float], ends: list[int | None]) -> dict[str, Due]:
    """The last cost is that of what follows the words, unless none has an end."""
    words = len(costs) - (ends[0] is not None)
    scale = 1 / max(words, sum(costs))
    every = enumerate(zip(costs, ends, strict=True))
    return {f"word {place}": Due({"words": cost * scale}, end) for place, (cost, end) in every}


def _aligned(words: list[str], said: list[str]) -> list[tuple[str, int, int, int, int]]:
    """Stretches of words, by their kind: where they start and stop in the transcript and in what is said."""
    chunks = jiwer.process_words(" ".join(words), " ".join(said)).alignments[0]
    return [(one.type, one.ref_start_idx, one.ref_end_idx, one.hyp_start_idx, one.hyp_end_idx) for one in chunks]


def _said(answer: str, start: int, stop: int) -> list[SaidWord]:
    """The words of a quote."""
    pieces = re.finditer(r"\S+", answer[start:stop])
    return [SaidWord(text, start + piece.end()) for piece in pieces for text in normalise(piece[0]).split()]
