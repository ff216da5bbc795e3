"""SIGTERM as a request: the step at hand is finished, one checkpoint is written, and the exit code says why."""

from __future__ import annotations

import os
import signal
import threading

EXIT_CODE = 128 + signal.SIGTERM  # what a shell reports for a process that SIGTERM ended


class StopRequest:
    """Notes SIGTERM while it is entered; elsewhere than in the main thread it never notes anything.

    Example
    -------
    >>> with StopRequest() as stop:
    ...     os.kill(os.getpid(), signal.SIGTERM)
    ...     stop.requested
    True
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous = None
        self._process = None

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self._process = os.getpid()
            self._previous = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        if self._process == os.getpid():
            signal.signal(signal.SIGTERM, self._previous)
            self._process = None

    def _note(self, number: int, frame: object) -> None:
        self.requested = True


def ignore_in_worker(worker: int) -> None:
    """Lets a loader's worker live through a SIGTERM to the whole job, until the main process lets it go.

    Example
    -------
    >>> previous = signal.getsignal(signal.SIGTERM)
    >>> ignore_in_worker(0); signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    True
    >>> _ = signal.signal(signal.SIGTERM, previous)
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
