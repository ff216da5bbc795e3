"""Clips that a preparation leaves out: always counted, and kept apart from clips that cannot be read."""

from __future__ import annotations

from typing import NamedTuple


class Dropped(NamedTuple):
    """A clip that a preparation leaves out.

    Example
    -------
    >>> Dropped("Ses01F_impro01_F001", "emotion outside the four classes", "xxx").fault
    False
    """

    id: str
    reason: str  # a row of the summary, so the same words for all clips dropped for this reason
    detail: str = ""  # what was found in this clip
    fault: bool = False  # whether the clip should have been usable; too many faults stop the preparation
