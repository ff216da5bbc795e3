"""A clip that a preparation leaves out: never in silence, and told apart from one that cannot be read."""

from __future__ import annotations

from typing import NamedTuple


class Dropped(NamedTuple):
    """A clip that is left out.

    Example
    -------
    >>> Dropped("Ses01F_impro01_F001", "emotion outside the four classes", "xxx").fault
    False
    """

    id: str
    reason: str  # the same words for every clip that is dropped for it: the row of the summary
    detail: str = ""  # what was found in this clip
    fault: bool = False  # the clip should have been there: too many of these stop the preparation
