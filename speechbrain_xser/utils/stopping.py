"""Long computations that may be stopped half-way: whoever starts one says what asks for its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_check: ContextVar[Callable[[], None] | None] = ContextVar("check", default=None)


@contextmanager
def stoppable(check: Callable[[], None]) -> Iterator[None]:
    """Lets ``check`` end what is computed in the block, by an error at the next :func:`may_stop`.

    Arguments
    ---------
    check : callable
        Raises an error once nobody wants the result.

    Example
    -------
    >>> def refused():
    ...     raise InterruptedError("nobody waits")
    >>> with stoppable(refused):
    ...     may_stop()
    Traceback (most recent call last):
        ...
    InterruptedError: nobody waits
    >>> may_stop()
    """
    before = _check.set(check)
    try:
        yield
    finally:
        _check.reset(before)


def may_stop() -> None:
    """A place where a computation may be stopped: between two passes through a model."""
    if (check := _check.get()) is not None:
        check()
