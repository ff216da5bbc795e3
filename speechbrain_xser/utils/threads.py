"""Chooses how many threads torch computes with: a small model is slower with several than with one.

The threads of one product wait for the slowest of them. If a product takes microseconds and other programs use the
cores too, they mostly wait; if it reads many megabytes of weights, each thread helps. The commands choose; in a program
of your own, torch's number stays.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

PARAMETERS = 50_000_000  # parameters of a model that justify one thread
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")  # torch obeys them itself
QUOTA = Path("/sys/fs/cgroup/cpu.max")  # a container's quota: microseconds of each period


def chosen_threads(parameters: int, cores: int) -> int:
    """One thread for every 50 million parameters, at least one and at most the number of cores.

    Example
    -------
    >>> [chosen_threads(parameters, cores=16) for parameters in (10_000_000, 400_000_000, 8_000_000_000)]
    [1, 8, 16]
    """
    return max(1, min(cores, parameters // PARAMETERS))


def usable_cores() -> int:
    """Number of cores that this process may use, by its affinity and its container's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, _, period = QUOTA.read_text().partition(" ") if QUOTA.is_file() else ("max", "", "")
    return cores if quota == "max" else max(1, min(cores, round(int(quota) / int(period))))


def use_threads_for(model: nn.Module, processes: int = 1) -> str:
    """Sets torch's number of threads for a model on the CPU, unless an environment variable sets it.

    Arguments
    ---------
    model : nn.Module
        The model that this process will run.
    processes : int
        Number of processes that share the cores and do the same.

    Returns
    -------
    str
        A sentence with the number and how to change it.

    Example
    -------
    >>> import torch
    >>> before = torch.get_num_threads()
    >>> use_threads_for(torch.nn.Linear(2, 2)).startswith(f"{torch.get_num_threads()} thread")
    True
    >>> torch.set_num_threads(before)
    """
    import torch  # slow to load

    cores, named = max(1, usable_cores() // processes), next((name for name in VARIABLES if os.environ.get(name)), None)
    if named is None:
        torch.set_num_threads(chosen_threads(sum(one.numel() for one in model.parameters()), cores))
    number = torch.get_num_threads()
    why = f"as {named} says" if named else f"for a model of this size; {VARIABLES[0]} sets another number"
    return f"{number} thread{'s' * (number > 1)} on {cores} core{'s' * (cores > 1)}, {why}."


def one_thread_in_forked_children() -> None:
    """Makes children that are forked from now on compute with one thread.

    OpenMP's threads stay with the parent, so a child that uses several waits for them for ever. torch itself sets a
    loader's workers to one thread; this does the same for every other child.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_one_thread)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
