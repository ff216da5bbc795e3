"""Unreadable clips in training are skipped, counted and named; too many of them stop the run.

A :class:`Fault` takes the place of a clip that cannot be read (also across loader workers), the batch carries its
message, and whoever consumes the batch counts it. So no clip is dropped silently, and one bad file never stops a run.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from speechbrain_xser.errors import TrainingError

logger = logging.getLogger(__name__)
NAMED_AT_MOST = 5


class Fault(NamedTuple):
    """An utterance that cannot be read, in place of its waveform."""

    id: str
    message: str

    def __str__(self) -> str:
        return f"utterance {self.id!r}: {self.message}"


class FaultCounter:
    """Counts unreadable clips, each once however many epochs it occurs in.

    Arguments
    ---------
    total : int
        Number of utterances in the data set.
    limit : float
        Share of them that may be unreadable; one is always allowed.

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
    speechbrain_xser.errors.TrainingError: 2 of 100 clips cannot be read; at most 1 are allowed (limit 1 %). \
    Repair or drop them, or raise the limit: utterance 'a': a.wav: no such file.; utterance 'b': b.wav: 0 bytes.
    """

    def __init__(self, total: int, limit: float = 0.01):
        self.total = total
        self.limit = limit
        self._messages: dict[str, None] = {}  # an ordered set

    @property
    def count(self) -> int:
        """Number of different clips that cannot be read."""
        return len(self._messages)

    @property
    def allowed(self) -> int:
        """How many are allowed: ``max(1, floor(limit * total))``."""
        return max(1, int(self.limit * self.total))

    def add(self, faults, warned: bool = True) -> None:
        """Counts the faults of one batch and warns once about each.

        Arguments
        ---------
        faults : iterable of str
            Their messages, as in ``Batch.faults``.
        warned : bool
            Whether this process warns; of several that count the same clips, one does.

        Raises
        ------
        TrainingError
            If there are more than ``allowed`` now.
        """
        for message in map(str, faults):
            if warned and message not in self._messages:
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
