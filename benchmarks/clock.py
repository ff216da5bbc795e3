"""Fair times: variants take turns, the device is waited for, and medians are kept; and the memory that a work adds."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch

PATIENCE_SECONDS = 60  # of one variant; one that takes longer is measured less often
SLOW_SECONDS = 10  # for a run that takes longer, getting warm is nothing: its first turn counts too


class Measured(NamedTuple):
    """What a variant took, and what it gave."""

    seconds: float  # median
    memory: float | None  # most bytes that it added
    result: object  # of its first run


def measure(variants: Mapping[str, Callable[[], object]], repeats: int, device: str) -> dict[str, Measured]:
    """Time and memory of variants that take turns; the first turn, which seldom counts, tells the memory.

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
    dict of str to Measured
    """
    first = {name: _first(run, device) for name, run in variants.items()}
    taken = {name: [found.seconds] if found.seconds > SLOW_SECONDS else [] for name, found in first.items()}
    for _ in range(repeats):
        for name, run in variants.items():
            if sum(taken[name]) < PATIENCE_SECONDS and len(taken[name]) < repeats:
                taken[name].append(_seconds(run, device))
    return {name: first[name]._replace(seconds=median(taken[name])) for name in variants}


def _first(run: Callable[[], object], device: str) -> Measured:
    results: list[object] = []
    begun = time.perf_counter()
    memory = added_memory(lambda: results.append(run()), device)
    return Measured(time.perf_counter() - begun, memory, results[0])


def _seconds(run: Callable[[], object], device: str) -> float:
    _wait(device)
    begun = time.perf_counter()
    run()
    _wait(device)
    return time.perf_counter() - begun


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
