"""Automatic checkpoints: every given number of optimiser steps, or of minutes."""

from __future__ import annotations

import time
from collections.abc import Callable


class Autosave:
    """Tells when the next checkpoint is due.

    Arguments
    ---------
    every_steps, every_minutes : float
        Intervals; 0 for never.
    clock : callable
        A monotonic clock, in seconds.

    Example
    -------
    >>> now = [0.0]
    >>> autosave = Autosave(every_minutes=10, clock=lambda: now[0])
    >>> now[0] = 599.0; autosave.due(step=5)
    False
    >>> now[0] = 600.0; autosave.due(step=6)
    True
    >>> autosave.saved(step=6); autosave.due(step=7)
    False
    """

    def __init__(
        self, every_steps: float = 0, every_minutes: float = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.every_steps, self.every_minutes, self.clock = every_steps, every_minutes, clock
        self.saved(0)

    def saved(self, step: int) -> None:
        """Notes that a checkpoint of a step has been written, or read."""
        self._step, self._seconds = step, self.clock()

    def due(self, step: int) -> bool:
        """Whether a checkpoint should be written after a step."""
        minutes = (self.clock() - self._seconds) / 60
        return 0 < self.every_steps <= step - self._step or 0 < self.every_minutes <= minutes
