"""What became of a shard."""

from __future__ import annotations

from typing import NamedTuple


class ShardReport(NamedTuple):
    """What became of a shard."""

    number: int
    clips: int = 0
    errors: int = 0  # clips that could not be read; they are rows, too
    seconds: float = 0.0  # of work
    fault: str | None = None  # why it has no rows
    begun: bool = True  # False if nothing could be loaded, which ends everything
