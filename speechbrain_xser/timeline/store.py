"""Moments explained by an earlier run, in a journal beside the output.

A moment is stored under its position and a fingerprint of the recording's content, the model's files and the settings.
So a journal may contain moments of several recordings and models; others are ignored.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from speechbrain_xser.model_folder.locate import model_files
from speechbrain_xser.timeline.cutting import Cutting, Span
from speechbrain_xser.timeline.moment import Moment
from speechbrain_xser.utils.files import file_digest
from speechbrain_xser.utils.journal import Journal

VERSION = 3  # of moments; raising it ignores older journals
DIGITS = 16  # hexadecimal digits of a fingerprint


class KeptMoments:
    """Moments of one recording, model and settings, by their spans; only the spans are in memory.

    Example
    -------
    >>> from speechbrain_xser.answer import Descriptors
    >>> from speechbrain_xser.answer.explanation import Explanation
    >>> moment = Moment(0.0, 1.0, Explanation("", None, Descriptors(), None, {}))
    >>> with Journal(getfixture("tmp_path") / "a.journal", Moment) as journal:
    ...     one, other = KeptMoments(journal, "one"), KeptMoments(journal, "other")
    ...     one.add({Span(0, 16000): moment})
    ...     Span(0, 16000) in one, Span(0, 16000) in other, one.take([Span(0, 16000)]) == list(one) == [moment]
    (True, False, True)
    """

    def __init__(self, journal: Journal[Moment], fingerprint: str):
        self._journal, self._fingerprint = journal, fingerprint
        self.added = 0  # moments added by this run
        self._taken: list[Span] = []

    def _key(self, span: Span) -> str:
        return f"{self._fingerprint} {span.start} {span.stop}"

    def __contains__(self, span: Span) -> bool:
        return self._key(span) in self._journal

    def __iter__(self) -> Iterator[Moment]:
        """Yields the moments that were taken, one at a time."""
        return (self._journal[self._key(span)] for span in self._taken)

    def take(self, spans: list[Span]) -> list[Moment]:
        """Reads the moments of some spans, which are the recording's next ones."""
        self._taken += spans
        return [self._journal[self._key(span)] for span in spans]

    def add(self, moments: Mapping[Span, Moment]) -> None:
        """Stores new moments, all or none of them; they are safe on disk when this returns."""
        new = {self._key(span): moment for span, moment in moments.items() if span not in self}
        self._journal.add_all(new.items())
        self.added += len(new)


def fingerprint_of(
    path: str | os.PathLike,
    model_folder: str | os.PathLike,
    cutting: Cutting,
    track: int | None = None,
    unknown: bool = True,
) -> str:
    """Sixteen digits for all that moments depend on: the recording's bytes, the model's files and the settings."""
    parts = [VERSION, list(cutting), track, unknown, *map(file_digest, [path, *model_files(model_folder)])]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:DIGITS]


def journal_beside(out: str | os.PathLike) -> Path:
    """The path of an output's journal; outputs that differ only in their suffix share it.

    Example
    -------
    >>> str(journal_beside("talks/monday.html"))
    'talks/monday.journal'
    """
    return Path(out).with_suffix(".journal")
