"""How a branch is called and coloured on a page."""

from __future__ import annotations

from typing import NamedTuple


class Shown(NamedTuple):
    """One branch on a page."""

    name: str  # one word
    title: str
    kind: str  # CSS class
    dash: str  # in keys


KNOWN = {
    "content": Shown("words", "words: what is said", "xser-words", "—"),
    "descriptor": Shown("voice", "voice: how it is said", "xser-voice", "- -"),
}


def shown(branch: str) -> Shown:
    """A branch as pages show it; one of a model of your own has its own name.

    Example
    -------
    >>> shown("descriptor").title, shown("speaker").title
    ('voice: how it is said', 'speaker')
    """
    return KNOWN.get(branch, Shown(branch, branch, "xser-other", "···"))
