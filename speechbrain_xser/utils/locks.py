"""Locks around what a whole process shares, so that threads cannot have one each."""

from __future__ import annotations

import os
from contextlib import ContextDecorator
from threading import RLock


class ProcessLock(ContextDecorator):
    """A lock that a thread may acquire again, and that is free in a forked child.

    A fork waits until the lock is free. Otherwise the child, which lacks the thread that holds it, would find the lock
    held for ever, and what it protects half changed.

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


LOADING = ProcessLock()  # transformers changes torch's default dtype and initialisers while it loads
