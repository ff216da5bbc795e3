"""Who reads the weights of a backbone: this process, unless a run of several ranks has one of them read for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from torch import nn

M = TypeVar("M", bound="nn.Module")


class Reader(Protocol):
    """Brings about a model with its weights."""

    def __call__(self, read: Callable[[], M], build: Callable[[], M], divisible: bool) -> M:
        """The model that ``read`` reads; ``build`` makes it from its configuration, on torch's default device."""
        ...


_reader: ContextVar[Reader | None] = ContextVar("reader", default=None)


@contextmanager
def read_by(reader: Reader) -> Iterator[None]:
    """Inside, another reader brings weights about.

    Example
    -------
    >>> with read_by(lambda read, build, divisible: build()):
    ...     weights(lambda: "read", lambda: "built")
    'built'
    """
    token = _reader.set(reader)
    try:
        yield
    finally:
        _reader.reset(token)


def weights(read: Callable[[], M], build: Callable[[], M], divisible: bool = False) -> M:
    """A model with its weights, from whoever reads.

    Arguments
    ---------
    read : callable
        Makes the model and reads its weights.
    build : callable
        Makes the model from its configuration, without weights, on torch's default device ("meta" has to work).
    divisible : bool
        Whether the weights may arrive later, where they are divided among the ranks.

    Returns
    -------
    nn.Module

    Example
    -------
    >>> weights(lambda: "read", lambda: "built")
    'read'
    """
    reader = _reader.get()
    return read() if reader is None else reader(read, build, divisible)
