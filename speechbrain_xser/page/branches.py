"""The names and colours of branches on pages."""

from __future__ import annotations

from typing import NamedTuple


class Shown(NamedTuple):
    """A branch on a page."""

    name: str  # one word
    title: str
    kind: str  # CSS class
    dash: str  # the line in a key


KNOWN = {
    "content": Shown("words", "words: what is said", "xser-words", "—"),
    "descriptor": Shown("voice", "voice: how it is said", "xser-voice", "- -"),
}


def shown(branch: str) -> Shown:
    """How pages show a branch; a branch of your own keeps its name.

    Example
    -------
    >>> shown("descriptor").title, shown("speaker").title
    ('voice: how it is said', 'speaker')
    """
    return KNOWN.get(branch, Shown(branch, branch, "xser-other", "···"))
