"""Temporary eval mode: what is frozen, and what only answers, must neither sample nor drop out.

Modes and locks that hold during a step of a generator must not hold between steps: other code runs there, perhaps in
another thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

from torch import nn

from speechbrain_xser.utils.locks import ProcessLock

Step = TypeVar("Step")


_modes = ProcessLock()  # a mode is an attribute of the module, so threads that share a module share it
_borrowed: dict[nn.Module, int] = {}  # how many threads hold each submodule in eval that was in training mode


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Puts a module in eval mode; the last thread that leaves restores each submodule's mode.

    Example
    -------
    >>> layer = nn.Dropout()
    >>> with evaluating(layer):
    ...     layer.training
    False
    >>> layer.training
    True
    """
    parts = _borrow(module)
    try:
        yield
    finally:
        _give_back(parts)


@_modes
def _borrow(module: nn.Module) -> list[nn.Module]:
    parts = [part for part in module.modules() if part.training or part in _borrowed]
    for part in parts:
        _borrowed[part] = _borrowed.get(part, 0) + 1
    if parts:
        module.eval()
    return parts


@_modes
def _give_back(parts: list[nn.Module]) -> None:
    for part in parts:
        _borrowed[part] -= 1
        if not _borrowed[part]:
            del _borrowed[part]
            part.training = True


def each_within(steps: Iterator[Step], *contexts: Callable[[], AbstractContextManager]) -> Iterator[Step]:
    """Runs each step of a generator inside contexts, which are left before the step's result is yielded.

    Example
    -------
    >>> import torch
    >>> def modes():
    ...     while True:
    ...         yield torch.is_grad_enabled()
    >>> next(each_within(modes(), torch.no_grad)), torch.is_grad_enabled()
    (False, True)
    """
    done = object()
    while True:
        with ExitStack() as stack:
            for context in contexts:
                stack.enter_context(context())
            step = next(steps, done)
        if step is done:
            return
        yield step
