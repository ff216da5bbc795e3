"""Holds back warnings of a library about calls that are right as they are."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(*names: str) -> Iterator[None]:
    """Drops what loggers say below an error, in this thread, within the block.

    Example
    -------
    >>> logger = logging.getLogger("some.library")
    >>> with quiet("some.library"):
    ...     logger.warning("a keyword is old")
    >>> logger.filters
    []
    """
    here = threading.get_ident()

    def drops(record: logging.LogRecord) -> bool:
        return record.thread != here or record.levelno >= logging.ERROR

    loggers = [logging.getLogger(name) for name in names]
    for logger in loggers:
        logger.addFilter(drops)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(drops)
