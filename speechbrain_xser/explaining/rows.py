"""The result for a clip as an object for a program."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from speechbrain_xser.evidence.clip_evidence import Evidence
    from speechbrain_xser.explaining.clips import Told


def plain_row(told: Told, evidence: Evidence | None = None) -> dict:
    """Values for JSON: ``path``, and ``error`` or explanation and measurements, with the evidence if it is given.

    Example
    -------
    >>> from speechbrain_xser.explaining.clips import SourceClip, Told
    >>> plain_row(Told(SourceClip("a.wav", "a.wav"), None, "a.wav: no such file"))
    {'path': 'a.wav', 'error': 'a.wav: no such file'}
    """
    if told.explanation is None:
        return {"path": told.clip.name, "error": told.fault}
    found = told.explanation._asdict() | {"descriptors": told.explanation.descriptors._asdict()}
    found |= {"measured": None if told.measured is None else told.measured._asdict()}
    return {"path": told.clip.name, **found, **({} if evidence is None else evidence.as_dict())}
