"""Text of an unfinished answer: a token may end within a character, which is then not shown yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

HALF = "\N{REPLACEMENT CHARACTER}"  # bytes that are not a character are decoded to this


def streamed_text(decoded: Iterable[str]) -> Iterator[str]:
    """Yields texts that each continue the one before.

    An incomplete character at the end waits for its remaining bytes; a text that takes back what was shown is dropped.

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
