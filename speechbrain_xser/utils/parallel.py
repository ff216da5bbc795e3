"""One function over many files, on all cores, in order, with a progress bar and flat memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from joblib import Parallel, cpu_count, delayed
from tqdm import tqdm

MANAGER = "ExecutorManagerThread"  # of loky, joblib's pool of processes

Item, Result = TypeVar("Item"), TypeVar("Result")


def in_parallel(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    label: str,
    total: int | None = None,
    workers: int | None = None,
    threads: bool = False,
) -> Iterator[Result]:
    """Gives ``work(item)`` for each item, in the items' order; items are taken as they are needed.

    Arguments
    ---------
    work : Callable
        Must be importable where ``threads`` is false, because other processes run it.
    items : iterable
        Few are held at a time.
    label : str
        Of the progress bar, which is shown on a terminal only.
    total : int or None
        How many items, for the bar.
    workers : int or None
        At a time; None for one a core. One works in this process.
    threads : bool
        Threads instead of processes, for work that waits for the disk.

    Returns
    -------
    iterator
        The first error of the work ends it.

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
    """Keeps loky's own thread from printing a traceback when Ctrl-C empties its list of work under its hands."""
    usual = threading.excepthook

    def hook(failed: threading.ExceptHookArgs) -> None:
        if not (failed.exc_type is KeyError and failed.thread and failed.thread.name == MANAGER):
            usual(failed)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = usual
