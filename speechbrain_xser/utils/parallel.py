"""Applies a function to many files, on all cores, in order, with a progress bar and constant memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from joblib import Parallel, cpu_count, delayed
from tqdm import tqdm

MANAGER = "ExecutorManagerThread"  # of loky, joblib's process pool

Item, Result = TypeVar("Item"), TypeVar("Result")


def in_parallel(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    label: str,
    total: int | None = None,
    workers: int | None = None,
    threads: bool = False,
) -> Iterator[Result]:
    """Yields ``work(item)`` for each item, in the items' order; items are taken as needed.

    Arguments
    ---------
    work : Callable
        The function; it has to be importable for other processes, unless ``threads`` is true.
    items : iterable
        The items; only a few are held at a time.
    label : str
        Label of the progress bar, which is shown only on a terminal.
    total : int or None
        Number of items, for the progress bar.
    workers : int or None
        Number of workers; None for one per core. A single one works in this process.
    threads : bool
        Whether to use threads instead of processes, for work that waits for the disk.

    Returns
    -------
    iterator
        The results; the first error ends it.

    Example
    -------
    >>> list(in_parallel(str.upper, ["a", "b"], "shouting", workers=1))
    ['A', 'B']
    """
    workers = workers or cpu_count()
    if workers == 1:
        results = map(work, items)
    else:
        pool = Parallel(
            workers, return_as="generator", prefer="threads" if threads else "processes", pre_dispatch="4 * n_jobs"
        )
        results = pool(delayed(work)(item) for item in items)
    with _quiet_when_stopped():
        yield from tqdm(results, desc=label, total=total, unit="clip", disable=None)


@contextmanager
def _quiet_when_stopped() -> Iterator[None]:
    """Keeps loky's thread from printing a traceback when Ctrl-C clears its work list."""
    usual = threading.excepthook

    def hook(failed: threading.ExceptHookArgs) -> None:
        if not (failed.exc_type is KeyError and failed.thread and failed.thread.name == MANAGER):
            usual(failed)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = usual
