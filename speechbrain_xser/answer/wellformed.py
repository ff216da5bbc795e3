"""Whether an answer is one paragraph as it should be, and how much of it is said again and again."""

from __future__ import annotations

import re

from speechbrain_xser.answer.render import DOUBLE_QUOTES
from speechbrain_xser.answer.slots import quoted_texts

LONGEST_PHRASE = 8  # words
FEWEST_REPEATS = 3  # in a row; "no, no" is speech


def is_malformed(paragraph: str, quotes: bool) -> bool:
    """Whether an answer is empty, leaves a quotation open, or does not quote just one transcript.

    Arguments
    ---------
    paragraph : str
        An answer.
    quotes : bool
        Whether it has to quote what is said; if not, it must not.

    Returns
    -------
    bool

    Example
    -------
    >>> is_malformed('A man says, "Go on", stressing the word "on".', quotes=True)
    False
    >>> [is_malformed(text, quotes=True) for text in ("", 'He says, "Go', 'He says, "Go", then "on".', "He is sad.")]
    [True, True, True, True]
    """
    marks = sum(paragraph.count(mark) for mark in DOUBLE_QUOTES)
    return not paragraph.strip() or marks % 2 == 1 or len(quoted_texts(paragraph)) != int(quotes)


def repeated_share(paragraph: str) -> float:
    """The share of an answer's words that repeat a phrase of up to eight words, said at least three times in a row.

    Arguments
    ---------
    paragraph : str
        An answer.

    Returns
    -------
    float
        In 0..1.

    Example
    -------
    >>> repeated_share("no no, I said no"), repeated_share("a man and a man and a man and a man and")
    (0.0, 0.75)
    """
    words = re.findall(r"\w+", paragraph.lower())
    repeating = set()
    for size in range(1, LONGEST_PHRASE + 1):
        repeating |= _repeating(words, size)
    return len(repeating) / len(words) if words else 0.0


def _repeating(words: list[str], size: int) -> set[int]:
    """Places of words that repeat a phrase of one size, said at least three times in a row, but for its first time."""
    same = [place >= size and words[place] == words[place - size] for place in range(len(words))]
    found, start = set(), 0
    for place in range(len(words) + 1):
        if place == len(words) or not same[place]:
            if place - start >= (FEWEST_REPEATS - 1) * size:
                found |= set(range(start, place))
            start = place + 1
    return found
