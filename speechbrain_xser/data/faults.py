"""Unreadable clips in training: skipped, counted, named, and too many of them stop the run.

A clip that cannot be read travels as a :class:`Fault` in its place (also through loader workers), the batch carries the
messages, and whoever consumes batches counts them. Dropping is thus never silent and never fatal for one bad file.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from speechbrain_xser.errors import TrainingError

logger = logging.getLogger(__name__)
NAMED_AT_MOST = 5


class Fault(NamedTuple):
    """An utterance that could not be read, in the place of its waveform."""

    id: str
    message: str

    def __str__(self) -> str:
        return f"utterance {self.id!r}: {self.message}"


class FaultCounter:
    """Counts unreadable clips, each once however many epochs it comes up in.

    Arguments
    ---------
    total : int
        Utterances of the data set.
    limit : float
        Share of them that may be unreadable; at least one always may.

    Example
    -------
    >>> counter = FaultCounter(total=100, limit=0.01)
    >>> counter.add(["utterance 'a': a.wav: no such file."])
    >>> counter.add(["utterance 'a': a.wav: no such file."])  # the next epoch
    >>> counter.count
    1
    >>> counter.add(["utterance 'b': b.wav: 0 bytes."])
    Traceback (most recent call last):
    ...
    speechbrain_xser.errors.TrainingError: 2 of 100 clips cannot be read, at most 1 may (limit 1 %). Repair or drop \
them, or raise the limit: utterance 'a': a.wav: no such file.; utterance 'b': b.wav: 0 bytes.
    """

    def __init__(self, total: int, limit: float = 0.01):
        self.total = total
        self.limit = limit
        self._messages: dict[str, None] = {}  # an ordered set

    @property
    def count(self) -> int:
        """Different clips that could not be read."""
        return len(self._messages)

    @property
    def allowed(self) -> int:
        """How many there may be: ``max(1, floor(limit * total))``."""
        return max(1, int(self.limit * self.total))

    def add(self, faults) -> None:
        """Counts the faults of one batch and warns once of each.

        Arguments
        ---------
        faults : iterable of str
            Their messages, ``Batch.faults``.

        Raises
        ------
        TrainingError
            If there are now more than ``allowed``.
        """
        for message in map(str, faults):
            if message not in self._messages:
                logger.warning("skipped %s", message)
            self._messages[message] = None
        if self.count > self.allowed:
            raise TrainingError(self._summary())

    def _summary(self) -> str:
        named = "; ".join(list(self._messages)[:NAMED_AT_MOST])
        more = f"; and {self.count - NAMED_AT_MOST} more" if self.count > NAMED_AT_MOST else ""
        return (
            f"{self.count} of {self.total} clips cannot be read; at most {self.allowed} are allowed (limit "
            f"{100 * self.limit:g} %). Repair or drop them, or raise the limit: {named}{more}"
        )
