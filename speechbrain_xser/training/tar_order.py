"""An order in which packed clips stream: each tar is read from its beginning to its end, a few tars at a time.

It is an order and nothing else: clips are read by their address, so resuming is an offset into it, as in any order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from speechbrain_xser.data.member import member_of
from speechbrain_xser.errors import SettingsError


def tars_of(addresses: Iterable[str]) -> list[np.ndarray]:
    """The clips of each tar, in the order in which they lie in it.

    Arguments
    ---------
    addresses : iterable of str
        Of packed clips, as a manifest has them.

    Returns
    -------
    list of ndarray
        Places in the iterable, [clips of the tar], int64, for each tar.

    Raises
    ------
    SettingsError
        If a clip is a file of its own.

    Example
    -------
    >>> [tar.tolist() for tar in tars_of(["a.tar#512+9", "b.tar#512+9", "a.tar#0+9"])]
    [[2, 0], [1]]
    """
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for place, address in enumerate(addresses):
        if (member := member_of(address)) is None:
            raise SettingsError(
                f"open_tars streams clips from tars, and {address} is a file of its own. Pack the corpus with "
                "`xser shard`, or leave open_tars out."
            )
        found[member.archive].append((member.offset, place))
    return [np.array([place for _, place in sorted(clips)], dtype=np.int64) for clips in found.values()]


def streamed(tars: Sequence[np.ndarray], open_tars: int, generator: np.random.Generator) -> np.ndarray:
    """Clips in an order that reads each tar in one go, with at most so many tars begun and not ended.

    Shuffled tars are dealt to ``open_tars`` queues, and the queues are merged at random: each next clip is the next of
    a queue, drawn by how many clips it still has. So any two places of an epoch have clips of one queue with
    probability sum(n (n - 1)) / (N (N - 1)), for N clips in queues of n: about one in ``open_tars``, at the end as at
    the beginning.

    Arguments
    ---------
    tars : sequence of ndarray
        Clips of each tar in the order in which they are read, together 0 to N - 1.
    open_tars : int
        At least 1.
    generator : numpy.random.Generator
        Decides the order.

    Returns
    -------
    ndarray
        [N], int64.

    Example
    -------
    >>> order = streamed([np.arange(4), np.arange(4, 8)], 2, np.random.default_rng(0)).tolist()
    >>> [clip for clip in order if clip < 4], [clip for clip in order if clip >= 4]
    ([0, 1, 2, 3], [4, 5, 6, 7])
    """
    shuffled = [tars[index] for index in generator.permutation(len(tars))]
    queues = [np.concatenate(shuffled[first::open_tars]) for first in range(min(open_tars, len(tars)))]
    turns = generator.permutation(np.repeat(np.arange(len(queues)), [len(queue) for queue in queues]))
    order = np.empty(len(turns), dtype=np.int64)
    for number, queue in enumerate(queues):
        order[turns == number] = queue
    return order
