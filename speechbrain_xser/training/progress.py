"""How far a run has come: all that a resumed run needs besides tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Position(NamedTuple):
    """Between two optimiser steps.

    Example
    -------
    >>> position = Position(epoch=2, offset=5)
    >>> position.step(steps_per_epoch=10), position.forward(), position.next_epoch()
    (15, Position(epoch=2, offset=6), Position(epoch=3, offset=0))
    >>> Position.from_state({"epoch": 2, "offset": 5, "other": "state"}) == position
    True
    """

    epoch: int = 1  # from 1
    offset: int = 0  # windows of this epoch that are done

    def step(self, steps_per_epoch: int) -> int:
        """Optimiser steps since the run began, including skipped ones."""
        return (self.epoch - 1) * steps_per_epoch + self.offset

    def forward(self) -> Position:
        """After one more window."""
        return self._replace(offset=self.offset + 1)

    def next_epoch(self) -> Position:
        """At the next epoch's first window."""
        return Position(self.epoch + 1, 0)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Position:
        """The position in a checkpoint's state."""
        return cls(int(state["epoch"]), int(state["offset"]))
