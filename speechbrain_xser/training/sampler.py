"""Batches in an order that depends on (seed, epoch) only, so that resuming is an offset into it.

A batch here is the *window* of one optimiser step: everything that its gradient is computed from, on one rank.
Utterances of similar length may be put together: shuffled pools are sorted by duration, cut into windows, and the
windows shuffled again (random batches waste more than half of the audio positions on padding).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from speechbrain_xser.errors import SettingsError, TrainingError
from speechbrain_xser.training.seeding import derive_seed


class WindowSampler(Sampler[list[int]]):
    """Yields the windows of an epoch, for one rank, from any offset.

    All ranks get the same number of windows and at least one utterance in each: a window is dealt out to the ranks
    one utterance at a time, and a last window with fewer utterances than ranks is joined to the one before it.
    The last, shorter window of an epoch is used.

    Arguments
    ---------
    durations : sequence of float
        Seconds of each utterance, used for sorting only.
    window_size : int
        Utterances of one optimiser step on one rank.
    seed : int
        With the epoch, decides the order.
    pool_windows : int
        Windows in a pool that is sorted by duration; 0 or 1 leaves the order random.
    rank, world_size : int
        This process among all.

    Raises
    ------
    TrainingError
        If there are fewer utterances than ranks.
    SettingsError
        If a window holds no utterance.

    Example
    -------
    >>> sampler = WindowSampler([1.0] * 10, window_size=4, seed=0)
    >>> sampler.start(epoch=2)
    >>> windows = list(sampler)
    >>> [len(window) for window in windows], sorted(sum(windows, []))
    ([4, 4, 2], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    >>> sampler.start(epoch=2, offset=1)  # a resumed epoch goes on with the same windows
    >>> list(sampler) == windows[1:]
    True
    """

    def __init__(
        self,
        durations: Sequence[float | None],
        window_size: int,
        seed: int,
        pool_windows: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        if len(durations) < world_size:
            raise TrainingError(
                f"{len(durations)} utterances cannot be shared by {world_size} ranks: use fewer ranks or more data."
            )
        if window_size < 1:
            raise SettingsError(f"batch_size * grad_accumulation_factor is {window_size}; expected at least 1.")
        self.seconds = np.asarray([seconds or 0.0 for seconds in durations], dtype=np.float64)
        self.window_size, self.seed, self.pool_windows = window_size, seed, pool_windows
        self.rank, self.world_size = rank, world_size
        self.epoch, self.offset = 1, 0

    def start(self, epoch: int, offset: int = 0) -> None:
        """Sets the epoch and the number of its windows to pass over."""
        self.epoch, self.offset = epoch, offset

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch alone (``Brain`` calls this); the offset stays as ``start`` set it."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Windows of a whole epoch, whatever the offset."""
        return len(self._bounds())

    def describe(self) -> dict[str, int]:
        """What a checkpoint notes of the batches, as plain values; other clips have other lengths."""
        lengths = derive_seed(*map(str, self.seconds.tolist()))
        return {"utterances a step": self.window_size, "pool_windows": self.pool_windows, "lengths": lengths}

    def __iter__(self) -> Iterator[list[int]]:
        for window in self._windows()[self.offset :]:
            yield window[self.rank :: self.world_size].tolist()

    def _bounds(self) -> list[int]:
        """Where windows start; a rest smaller than the number of ranks belongs to the window before it."""
        size = self.window_size * self.world_size
        starts = list(range(0, len(self.seconds), size))
        rest = len(self.seconds) - starts[-1]
        return starts[:-1] if rest < self.world_size and len(starts) > 1 else starts

    def _windows(self) -> list[np.ndarray]:
        generator = np.random.default_rng(derive_seed(self.seed, "windows", self.epoch))
        order = generator.permutation(len(self.seconds))
        if self.pool_windows > 1:
            order = self._sort_pools(order)
        windows = np.split(order, self._bounds()[1:])
        if self.pool_windows > 1:
            windows = [windows[index] for index in generator.permutation(len(windows))]
        return [window[np.argsort(-self.seconds[window], kind="stable")] for window in windows]

    def _sort_pools(self, order: np.ndarray) -> np.ndarray:
        pool = self.window_size * self.world_size * self.pool_windows
        pools = [order[start : start + pool] for start in range(0, len(order), pool)]
        return np.concatenate([pool[np.argsort(-self.seconds[pool], kind="stable")] for pool in pools])
