"""Keeps cuDNN's attention out of our calls: it builds a plan for each new shape, which takes longer than the attention.

On compute capability 9 and 10, PyTorch tries cuDNN (above 9.15) first, and it takes calls with a dense mask. Steps of
ever new lengths, and generation, whose keys grow by one a token, meet new shapes all the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Lock

import torch
from torch.backends import cuda
from torch.nn.attention import SDPBackend, sdpa_kernel


class _Held:
    """PyTorch's switches belong to the process: the first thread turns cuDNN off, and the last one restores it."""

    def __init__(self) -> None:
        self.lock, self.users, self.switched = Lock(), 0, ExitStack()

    def enter(self) -> None:
        """Turns cuDNN off, if no other thread has."""
        with self.lock:
            self.users += 1
            if self.users == 1 and (others := _others()):
                self.switched.enter_context(sdpa_kernel(others))

    def leave(self) -> None:
        """Restores the switches, if no other thread needs them."""
        with self.lock:
            self.users -= 1
            if self.users == 0:
                self.switched.close()


_HELD = _Held()


def _others() -> list[SDPBackend]:
    """The backends that are enabled, but for cuDNN's."""
    enabled = {
        SDPBackend.FLASH_ATTENTION: cuda.flash_sdp_enabled(),
        SDPBackend.EFFICIENT_ATTENTION: cuda.mem_efficient_sdp_enabled(),
        SDPBackend.MATH: cuda.math_sdp_enabled(),
    }
    return [backend for backend, on in enabled.items() if on]


@contextmanager
def without_cudnn(device: torch.device) -> Iterator[None]:
    """Attention inside uses any enabled kernel but cuDNN's, on a CUDA GPU; afterwards everything is as before.

    Where nothing but cuDNN is enabled, it stays: somebody asked for it.

    Example
    -------
    >>> before = torch.backends.cuda.cudnn_sdp_enabled()
    >>> with without_cudnn(torch.device("cuda")):
    ...     torch.backends.cuda.cudnn_sdp_enabled()
    False
    >>> torch.backends.cuda.cudnn_sdp_enabled() == before
    True
    """
    if device.type != "cuda":
        yield
        return
    _HELD.enter()
    try:
        yield
    finally:
        _HELD.leave()
