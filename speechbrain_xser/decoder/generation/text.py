"""Text of an answer that is not finished: a token may end in the middle of a character, which is not shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

HALF = "\N{REPLACEMENT CHARACTER}"  # what bytes that are no character are decoded to


def streamed_text(decoded: Iterable[str]) -> Iterator[str]:
    """Texts of which each goes on where the one before it ended.

    Half a character at the end waits for its other half; a text that takes back what was shown is left out.

    Arguments
    ---------
    decoded : iterable of str
        What more and more tokens of one answer are decoded to.

    Yields
    ------
    str
        Each longer than the one before.

    Example
    -------
    >>> list(streamed_text(["caf", "caf\ufffd", "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "caf\ufffd\ufffd"]))
    ['caf', 'caf\N{LATIN SMALL LETTER E WITH ACUTE}']
    """
    shown = ""
    for text in decoded:
        text = text.rstrip(HALF)
        if text != shown and text.startswith(shown):
            shown = text
            yield text
