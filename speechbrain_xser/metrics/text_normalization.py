"""The text normaliser for every comparison of words in this package.

In this order: Unicode NFKC; typographic apostrophes become ``'``; lower case; everything except letters, marks, digits
and apostrophes becomes a space (so "well-known" is two words); apostrophes outside words are removed; white space
becomes single spaces. Numbers stay digits and spellings stay as they are: nothing is guessed.
"""

from __future__ import annotations

import re
import unicodedata

_APOSTROPHES = re.compile("[\u2018\u2019\u201b\u02bc\u0060\u00b4]")
_LOOSE_APOSTROPHE = re.compile(r"(?<!\w)'+|'+(?!\w)")


def normalise(text: str | None) -> str:
    """Lower-case words with single spaces between them; ``None`` becomes the empty text.

    Arguments
    ---------
    text : str or None
        Any text.

    Returns
    -------
    str
        The words.

    Example
    -------
    >>> normalise("‘Don’t,’ she said -- twenty-one TIMES!")
    "don't she said twenty one times"
    >>> normalise(None), normalise(normalise("A b."))
    ('', 'a b')
    """
    text = _APOSTROPHES.sub("'", text or "")
    text = _APOSTROPHES.sub("'", unicodedata.normalize("NFKC", text)).lower()
    text = "".join(letter if letter == "'" or unicodedata.category(letter)[0] in "LMN" else " " for letter in text)
    return " ".join(_LOOSE_APOSTROPHE.sub(" ", text).split())
