"""Runs work in a process with less memory, or with files of a limited size, as on a full disk."""

import multiprocessing
import resource
from collections.abc import Callable
from pathlib import Path

import psutil

FORK = multiprocessing.get_context("fork")


def message_with(kind: int, limit: int, work: Callable[[], None], told: Path) -> str:
    """The type and the message of the error that some work raises under a limit of the system."""

    def child():
        base = psutil.Process().memory_info().vms if kind == resource.RLIMIT_AS else 0
        soft, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (base + limit, hard))
        try:
            work()
        except BaseException as error:
            resource.setrlimit(kind, (soft, hard))
            told.write_text(f"{type(error).__name__}: {error}")

    process = FORK.Process(target=child)
    process.start()
    process.join(300)
    assert process.exitcode == 0
    return told.read_text() if told.exists() else ""
