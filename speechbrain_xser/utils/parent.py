"""Ends a process with the one that started it, however that one ends: no worker or rank is left behind by a kill."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable


def end_after(parent: Callable[[], object]) -> None:
    """Ends this process at once, with exit code 1, when a call in a thread returns.

    Arguments
    ---------
    parent : callable
        Returns when the parent has ended, e.g. ``multiprocessing.parent_process().join``.

    Example
    -------
    >>> end_after(threading.Event().wait)  # which never returns
    """
    threading.Thread(target=_end, args=(parent,), daemon=True).start()


def _end(parent: Callable[[], object]) -> None:
    parent()
    os._exit(1)
