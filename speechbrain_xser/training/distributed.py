"""The few things that several ranks must agree on; each does nothing in a single process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import torch
from speechbrain.utils.distributed import MainProcessContext, is_distributed_initialized

from speechbrain_xser.errors import TrainingError

PATIENCE = timedelta(days=7)  # of ranks that wait for the first one


def world_size() -> int:
    """Number of ranks.

    Example
    -------
    >>> world_size()
    1
    """
    return torch.distributed.get_world_size() if is_distributed_initialized() else 1


def rank() -> int:
    """This process's number among the ranks.

    Example
    -------
    >>> rank()
    0
    """
    return torch.distributed.get_rank() if is_distributed_initialized() else 0


def first_rank_alone(work: Callable[[], object]) -> None:
    """Runs hours of work on the first rank, while the others wait for it without the collectives' time limit.

    They wait in a group of their own, on CPUs; a collective that a GPU waits for ends the run after ten minutes.
    SpeechBrain's ``run_on_main`` and ``ddp_barrier`` wait for nobody inside the work.

    Raises
    ------
    TrainingError
        On the other ranks, if the work failed on the first, which raises its own error.

    Example
    -------
    >>> first_rank_alone(lambda: print("prepared"))
    prepared
    """
    if not is_distributed_initialized():
        work()
        return
    waiting = torch.distributed.new_group(backend="gloo", timeout=PATIENCE)
    done = torch.zeros(1)
    try:
        if rank() == 0:
            with MainProcessContext():
                work()
            done += 1
    finally:  # the others wait here
        torch.distributed.broadcast(done, 0, group=waiting)
        torch.distributed.destroy_process_group(waiting)
    if not done:
        raise TrainingError("The first rank could not prepare the data; its own error says why.")


def sum_over_ranks(values: Sequence[float], device: str) -> list[float]:
    """Sums numbers over all ranks in one exchange, in float64; a NaN on any rank is a NaN on all.

    Example
    -------
    >>> sum_over_ranks([2, 0.5], "cpu")
    [2, 0.5]
    """
    if not is_distributed_initialized():
        return list(values)
    tensor = torch.tensor(values, dtype=torch.float64, device=device)
    torch.distributed.all_reduce(tensor)
    return tensor.tolist()


def gather_lists(items: list[Any]) -> list[Any]:
    """The items of all ranks in one list, on every rank.

    Example
    -------
    >>> gather_lists(["a", "b"])
    ['a', 'b']
    """
    if not is_distributed_initialized():
        return items
    gathered: list[list[Any]] = [[] for _ in range(world_size())]
    torch.distributed.all_gather_object(gathered, items)
    return [item for part in gathered for item in part]
