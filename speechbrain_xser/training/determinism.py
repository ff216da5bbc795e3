"""The same bits on a GPU too: torch's deterministic algorithms, while a run asks for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from speechbrain_xser.errors import TrainingError

WORKSPACE = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, cuBLAS may sum in another order on each run
LACKING = "deterministic implementation"  # what torch says of an operation that has none


@contextmanager
def deterministic(asked: bool) -> Iterator[None]:
    """Torch computes deterministically inside, if that is asked for, and as before afterwards.

    Sums over indices (``index_add_``, the gradient of picked rows) and the backward pass of fused attention then add in
    a fixed order. cuDNN's attention, which has no such order, is off, and cuDNN chooses no kernel by its time. Sources:
    PyTorch's notes on reproducibility; cuBLAS's on results reproducibility.

    Arguments
    ---------
    asked : bool
        False changes nothing.

    Raises
    ------
    TrainingError
        If an operation of this system has no deterministic implementation on this device.

    Example
    -------
    >>> with deterministic(True):
    ...     torch.are_deterministic_algorithms_enabled(), torch.backends.cuda.cudnn_sdp_enabled()
    (True, False)
    >>> torch.are_deterministic_algorithms_enabled()
    False
    """
    if not asked:
        yield
        return
    cudnn, before = torch.backends.cudnn, torch.are_deterministic_algorithms_enabled()
    kept = cudnn.benchmark, cudnn.deterministic, torch.backends.cuda.cudnn_sdp_enabled()
    os.environ.setdefault(*WORKSPACE)  # cuBLAS reads it when it is first used, so it stays
    try:
        _switch(True, False, True, False)
        yield
    except RuntimeError as error:
        if LACKING not in str(error):
            raise
        first = str(error).split("\n")[0].split(", but you set")[0]
        raise TrainingError(f"{first}: leave --deterministic out for this system, or train it on a CPU.") from error
    finally:
        _switch(before, *kept)


def _switch(algorithms: bool, benchmark: bool, cudnn: bool, attention: bool) -> None:
    torch.use_deterministic_algorithms(algorithms)
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = benchmark, cudnn
    torch.backends.cuda.enable_cudnn_sdp(attention)
