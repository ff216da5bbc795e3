"""SIGTERM and Ctrl-C as a request: the current step ends, a checkpoint is written, and the exit code says why."""

from __future__ import annotations

import os
import signal
import threading

NUMBERS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Records SIGTERM and Ctrl-C while it is entered; outside the main thread it records nothing.

    A second Ctrl-C interrupts at once.

    Example
    -------
    >>> with StopRequest() as stop:
    ...     os.kill(os.getpid(), signal.SIGTERM)
    ...     stop.requested, stop.exit_code  # what a shell reports for a process that the signal ended
    (True, 143)
    """

    def __init__(self) -> None:
        self.requested = False
        self.exit_code = 128 + signal.SIGTERM  # also for a rank that stops because another was asked to
        self._previous = {}
        self._process = None

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self._process = os.getpid()
            self._previous = {number: signal.signal(number, self._note) for number in NUMBERS}
        return self

    def __exit__(self, *error: object) -> None:
        if self._process == os.getpid():
            for number, previous in self._previous.items():
                signal.signal(number, previous)
            self._process = None

    def _note(self, number: int, frame: object) -> None:
        self.requested, self.exit_code = True, 128 + number
        if number == signal.SIGINT:
            signal.signal(number, self._previous[number])
            os.write(2, b"\nStopping after this step, with a checkpoint; Ctrl-C again stops at once.\n")


def ignore_in_worker(worker: int) -> None:
    """Lets a loader's worker survive a signal to the whole job, until the main process ends it.

    Example
    -------
    >>> previous = {number: signal.getsignal(number) for number in NUMBERS}
    >>> ignore_in_worker(0); signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    True
    >>> for number, handler in previous.items():
    ...     _ = signal.signal(number, handler)
    """
    for number in NUMBERS:
        signal.signal(number, signal.SIG_IGN)
