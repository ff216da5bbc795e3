"""Fair times: variants take turns, the device is waited for, and medians are kept; and the memory that a work adds."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

import torch


def medians(variants: Mapping[str, Callable[[], object]], repeats: int, device: str) -> dict[str, float]:
    """Median seconds of each variant, after one turn that does not count.

    Arguments
    ---------
    variants : mapping of str to callable
        What to run.
    repeats : int
        Turns that count.
    device : str
        Is waited for before and after.

    Returns
    -------
    dict of str to float
    """
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(repeats + 1):
        for name, run in variants.items():
            _wait(device)
            begun = time.perf_counter()
            run()
            _wait(device)
            if turn:
                taken[name].append(time.perf_counter() - begun)
    return {name: median(times) for name, times in taken.items()}


def added_memory(run: Callable[[], object], device: str) -> float | None:
    """Most bytes that a work holds beyond what was there before; ``None`` where it cannot be told.

    On a GPU by PyTorch's allocator; on Linux by the process's resident memory, whose peak the kernel can forget.
    """
    gc.collect()
    if device != "cpu":
        _wait(device)
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        _wait(device)
        return torch.cuda.max_memory_allocated() - before
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # what earlier works have left would be used again, uncounted
        Path("/proc/self/clear_refs").write_text("5")
        before = _status("VmRSS")
        run()
        return max(0, _status("VmHWM") - before)
    except OSError:
        return None


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()
