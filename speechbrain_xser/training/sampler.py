"""Batches in an order that depends on (seed, epoch) only, so that resuming is an offset into it.

A batch here is the *window* of one optimiser step: everything that its gradient is computed from, on all ranks.
Windows are cut before ranks are known, so that a run goes on with the same windows on any number of ranks.
Utterances of similar work may be grouped: shuffled pools are sorted, cut into windows, and the windows shuffled again.
(Random batches waste a third of the LLM's and half of the audio positions on padding.) A window has a number of
utterances or an amount of work, and every rank gets about the same share of its work.
Packed clips may stream: then only what lies in one pool is shuffled, over an order that reads tars one after another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from speechbrain_xser.errors import SettingsError
from speechbrain_xser.training.seeding import derive_seed
from speechbrain_xser.training.tar_order import streamed
from speechbrain_xser.training.work import dealt, even_cuts


class WindowSampler(Sampler[list[int]]):
    """Yields a rank's share of the windows of an epoch, from any offset.

    The windows depend on the work, the seed and the epoch, not on the ranks. All ranks get the same number of windows,
    and shares of a window that are about the same work. The last, shorter window of an epoch is used. A window with
    fewer utterances than ranks leaves some shares empty. Epochs have the same number of windows.

    Arguments
    ---------
    work : sequence of float
        Work of each utterance, e.g. predicted tokens.
    window_size : int
        Utterances of one optimiser step, over all ranks.
    seed : int
        With the epoch, decides the order.
    pool_windows : int
        Windows in a pool that is sorted by work; 0 or 1 leaves the order random.
    window_work : float, optional
        Approximate work of one optimiser step over all ranks, to within an utterance. If given, it sets the number of
        utterances in a window, instead of ``window_size``.
    rank, world_size : int
        This process among all.
    tars : sequence of ndarray, optional
        The clips of each tar, if clips stream: see :func:`~speechbrain_xser.training.tar_order.tars_of`.
    open_tars : int
        Tars that are read at the same time, if clips stream.
    epochs_a_pass : int
        Epochs that a pass over all utterances is divided into, each with its validation.

    Raises
    ------
    SettingsError
        If a window holds fewer utterances than there are ranks, or less work than the longest utterance takes, or a
        pass has fewer windows than epochs.

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
    >>> by_work = WindowSampler([2.0, 2.0, 4.0, 8.0, 1.0, 7.0], window_size=1, seed=0, pool_windows=9, window_work=8.0)
    >>> sorted(sorted(window) for window in by_work)
    [[0, 1, 2, 4], [3], [5]]
    >>> ranks = [WindowSampler([1.0] * 10, window_size=4, seed=0, rank=rank, world_size=2) for rank in range(2)]
    >>> alone = WindowSampler([1.0] * 10, window_size=4, seed=0)
    >>> [sorted(a + b) for a, b in zip(*ranks)] == [sorted(window) for window in alone]  # the same windows, shared
    True
    """

    def __init__(
        self,
        work: Sequence[float],
        window_size: int,
        seed: int,
        pool_windows: int = 0,
        window_work: float | None = None,
        rank: int = 0,
        world_size: int = 1,
        tars: Sequence[np.ndarray] | None = None,
        open_tars: int = 1,
        epochs_a_pass: int = 1,
    ) -> None:
        if window_size < 1:
            raise SettingsError(f"batch_size * grad_accumulation_factor is {window_size}; expected at least 1.")
        if window_work is None and window_size < world_size:
            raise SettingsError(
                f"batch_size * grad_accumulation_factor is {window_size} utterances a step, which {world_size} ranks "
                "cannot share: use fewer ranks, or a larger batch_size."
            )
        if window_work is not None and window_work < max(work):
            raise SettingsError(
                f"batch_tokens * grad_accumulation_factor is {window_work:g}, and the longest utterance has about "
                f"{max(work):.0f} tokens: raise batch_tokens, or lower max_seconds."
            )
        self.work, self.window_work = np.asarray(work, dtype=np.float64), window_work
        self.window_size, self.seed, self.pool_windows = window_size, seed, pool_windows
        self.rank, self.world_size = rank, world_size
        self.tars, self.open_tars, self.epochs_a_pass = tars, open_tars, epochs_a_pass
        if not 1 <= epochs_a_pass <= self.windows_a_pass:
            raise SettingsError(
                f"epochs_a_pass is {epochs_a_pass}, and a pass has {self.windows_a_pass} steps: expected at least a "
                "step in each epoch."
            )
        self.epoch, self.offset = 1, 0

    def start(self, epoch: int, offset: int = 0) -> None:
        """Sets the epoch and the number of its windows to skip."""
        self.epoch, self.offset = epoch, offset

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch alone (``Brain`` calls this); the offset stays as ``start`` set it."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Windows of a whole epoch, whatever the offset."""
        return -(-self.windows_a_pass // self.epochs_a_pass)

    @property
    def windows_a_pass(self) -> int:
        """Windows of all utterances."""
        if self.window_work is None:
            return -(-len(self.work) // self.window_size)
        return int(min(-(-self.work.sum() // self.window_work), len(self.work)))

    def describe(self) -> dict[str, int | float | None]:
        """What a checkpoint records about the batches, as plain values; different clips give a different work."""
        by = {"utterances a step": self.window_size, "tokens a step": self.window_work}
        lengths = {"pool_windows": self.pool_windows, "lengths": derive_seed(*map(str, self.work.tolist()))}
        parts = {} if self.epochs_a_pass == 1 else {"epochs_a_pass": self.epochs_a_pass}
        return {**by, **lengths, **parts, **self._describe_tars()}

    def _describe_tars(self) -> dict[str, int]:
        if self.tars is None:
            return {}
        return {"open_tars": self.open_tars, "tars": derive_seed(*(str(tar.tolist()) for tar in self.tars))}

    def __iter__(self) -> Iterator[list[int]]:
        return (shares[self.rank] for shares in self.shares())

    def shares(self) -> Iterator[list[list[int]]]:
        """The same windows with the share of every rank."""
        for window in self._windows()[self.offset :]:
            yield [window[share].tolist() for share in dealt(self.work[window].tolist(), self.world_size)]

    def _windows(self) -> list[np.ndarray]:
        """Those of the epoch; where a pass cannot be divided evenly, a window may be in two epochs."""
        before, part = divmod(self.epoch - 1, self.epochs_a_pass)
        start = part * self.windows_a_pass // self.epochs_a_pass
        return self._windows_of_pass(before + 1)[start : start + len(self)]

    def _windows_of_pass(self, number: int) -> list[np.ndarray]:
        generator = np.random.default_rng(derive_seed(self.seed, "windows", number))
        order = self._order(generator)
        if self.pool_windows > 1:
            order = self._sort_pools(order)
        windows = np.split(order, self._starts(self.work[order])[1:])
        if self.pool_windows > 1:
            together = len(windows) if self.tars is None else self.pool_windows  # windows that are shuffled
            parts = (windows[start : start + together] for start in range(0, len(windows), together))
            windows = [part[index] for part in parts for index in generator.permutation(len(part))]
        return windows

    def _order(self, generator: np.random.Generator) -> np.ndarray:
        if self.tars is None:
            return generator.permutation(len(self.work))
        return streamed(self.tars, self.open_tars, generator)

    def _starts(self, work: np.ndarray) -> list[int]:
        """Where windows start."""
        if self.window_work is None:
            return list(range(0, len(work), self.window_size))
        return even_cuts(work, self.windows_a_pass)

    def _sort_pools(self, order: np.ndarray) -> np.ndarray:
        if self.window_work is None:
            pool = self.window_size * self.pool_windows
        else:
            pool = -(-len(order) // max(1, round(self.windows_a_pass / self.pool_windows)))
        pools = [order[start : start + pool] for start in range(0, len(order), pool)]
        return np.concatenate([pool[np.argsort(-self.work[pool], kind="stable")] for pool in pools])
