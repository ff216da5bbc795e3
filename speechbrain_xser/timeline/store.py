"""Moments that were explained before, in a journal beside the output.

A moment is kept under a fingerprint of the recording's content, the model's files and the settings that decide it, and
under its place. So a journal may hold moments of several recordings and models; what does not fit is not looked at.
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

VERSION = 2  # of what a moment is; a higher one forgets older journals
DIGITS = 16  # of a fingerprint, in base 16


class KeptMoments:
    """Moments of one recording, model and settings, by their places; in memory there is only where they lie.

    Arguments
    ---------
    journal : Journal
        Of :class:`Moment`, open.
    fingerprint : str
        Of :func:`fingerprint_of`.

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
        self.added = 0  # moments, by this run
        self._taken: list[Span] = []

    def _key(self, span: Span) -> str:
        return f"{self._fingerprint} {span.start} {span.stop}"

    def __contains__(self, span: Span) -> bool:
        return self._key(span) in self._journal

    def __iter__(self) -> Iterator[Moment]:
        """The moments that were taken, one at a time."""
        return (self._journal[self._key(span)] for span in self._taken)

    def take(self, spans: list[Span]) -> list[Moment]:
        """Reads the moments of some places, which are this recording's next."""
        self._taken += spans
        return [self._journal[self._key(span)] for span in spans]

    def add(self, moments: Mapping[Span, Moment]) -> None:
        """Writes moments that are new, all of them or none; they are safe when this returns."""
        new = {self._key(span): moment for span, moment in moments.items() if span not in self}
        self._journal.add_all(new.items())
        self.added += len(new)


def fingerprint_of(
    path: str | os.PathLike, model_folder: str | os.PathLike, cutting: Cutting, track: int | None = None
) -> str:
    """What a moment depends on, in sixteen letters.

    Arguments
    ---------
    path : str or path-like
        The recording; every byte counts, its name and time do not.
    model_folder : str or path-like
        A local model folder; its weights, settings and the backbones' fingerprints count.
    cutting : Cutting
        The settings.
    track : int or None
        Of the recording's sound tracks.

    Returns
    -------
    str

    Example
    -------
    >>> import speechbrain_xser
    >>> path = getfixture("tmp_path") / "a"
    >>> _ = path.write_bytes(b"sound")
    >>> folder = speechbrain_xser.packaged_model()
    >>> fingerprint_of(path, folder, Cutting()) == fingerprint_of(path, folder, Cutting(max_seconds=10.0))
    False
    """
    parts = [VERSION, list(cutting), track, *map(file_digest, [path, *model_files(model_folder)])]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:DIGITS]


def journal_beside(out: str | os.PathLike) -> Path:
    """Where the journal of an output lies; outputs that differ in their suffix only share it.

    Example
    -------
    >>> str(journal_beside("talks/monday.html"))
    'talks/monday.journal'
    """
    return Path(out).with_suffix(".journal")
