"""How many threads torch computes with, chosen for a model: a small one is slower with several than with one.

Threads of one product wait for the slowest of them. Where a product takes microseconds, and other programs use the
cores too, they mostly wait; where it reads many megabytes of weights, each takes its share. The commands choose; in a
program of your own, torch's number is yours.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

PARAMETERS = 50_000_000  # of a model, that are worth a thread
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  # torch goes by them itself
QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container: microseconds of each period


def chosen_threads(parameters: int, cores: int) -> int:
    """One thread for every 50 million parameters, at least one and no more than there are cores.

    Arguments
    ---------
    parameters : int
        Of the model.
    cores : int
        That this process may use.

    Returns
    -------
    int

    Example
    -------
    >>> [chosen_threads(parameters, cores=16) for parameters in (10_000_000, 400_000_000, 8_000_000_000)]
    [1, 8, 16]
    """
    return max(1, min(cores, parameters // PARAMETERS))


def usable_cores() -> int:
    """Cores that this process may use, by its affinity and its container's quota.

    Returns
    -------
    int

    Example
    -------
    >>> 1 <= usable_cores() <= os.cpu_count()
    True
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = QUOTA.read_text().partition(" ") if QUOTA.is_file() else ("max", "", "")
    return cores if quota == "max" else max(1, min(cores, round(int(quota) / int(period))))


def use_threads_for(model: nn.Module) -> str:
    """Sets torch's number of threads for a model on the CPU, unless the environment names one.

    Arguments
    ---------
    model : nn.Module
        That this process will compute with.

    Returns
    -------
    str
        A sentence that says which number it is and how to have another.

    Example
    -------
    >>> import torch
    >>> before = torch.get_num_threads()
    >>> use_threads_for(torch.nn.Linear(2, 2)).startswith(f"{torch.get_num_threads()} thread")
    True
    >>> torch.set_num_threads(before)
    """
    import torch  # slow to load

    cores, named = usable_cores(), next((name for name in VARIABLES if os.environ.get(name)), None)
    if named is None:
        torch.set_num_threads(chosen_threads(sum(one.numel() for one in model.parameters()), cores))
    number = torch.get_num_threads()
    why = f"as {named} says" if named else f"for a model of this size; {VARIABLES[0]} sets another number"
    return f"{number} thread{'s' * (number > 1)} on {cores} core{'s' * (cores > 1)}, {why}."


def one_thread_in_forked_children() -> None:
    """Lets a child that is forked from now on compute with one thread.

    OpenMP's threads stay with the parent, and a child that asks for several waits for them for ever. A loader's workers
    are set to one by torch itself; this does the same for every other child.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_one_thread)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
