"""What became of a shard."""

from __future__ import annotations

from typing import NamedTuple

from speechbrain_xser.batch.input_shards import InputShard


class ShardReport(NamedTuple):
    """What became of a shard."""

    number: int
    clips: int = 0
    errors: int = 0  # clips that could not be read; they are rows, too
    seconds: float = 0.0  # of work
    fault: str | None = None  # why it has no rows
    begun: bool = True  # False if nothing could be loaded, which ends everything
    left_out: int = 0  # fields of the input that do not fit
    example: str | None = None  # what the first of them is


def given_up(shard: InputShard, deaths: str) -> ShardReport:
    """The report of a shard that kills whoever does it.

    Example
    -------
    >>> given_up(InputShard(3, "tar", ("a.tar",)), "worker died 3 times").fault
    'shard 3: its worker died 3 times; out of memory, or a file that ends the decoder? It begins with a.tar. ...'
    """
    return ShardReport(
        shard.number,
        fault=f"shard {shard.number}: its {deaths}; out of memory, or a file that ends the decoder? It begins with "
        f"{shard.paths[0]}. Use fewer --jobs, or take the file out.",
    )
