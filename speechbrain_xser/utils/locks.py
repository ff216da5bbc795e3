"""Locks around what a whole process shares, and which therefore cannot be given to each thread for itself."""

from __future__ import annotations

import os
from contextlib import ContextDecorator
from threading import RLock


class ProcessLock(ContextDecorator):
    """A lock that a thread may take again, and that a forked child finds free.

    A fork waits for whoever holds it: a child has no such thread, and would find the lock held, and what it guards half
    changed, for ever.

    Example
    -------
    >>> lock = ProcessLock()
    >>> @lock
    ... def inside():
    ...     with lock:
    ...         return "again"
    >>> inside()
    'again'
    """

    def __init__(self) -> None:
        self._lock = RLock()
        if hasattr(os, "register_at_fork"):
            after = {"after_in_parent": self._lock.release, "after_in_child": self._lock.release}
            os.register_at_fork(before=self._lock.acquire, **after)

    def __enter__(self) -> ProcessLock:
        self._lock.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()


LOADING = ProcessLock()  # transformers switches torch's default type and initialisers while it loads
