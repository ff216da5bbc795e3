"""The few things that several ranks must agree on; each does nothing in a single process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from speechbrain.utils.distributed import MainProcessContext, is_distributed_initialized

from speechbrain_xser.errors import LostRankError, TrainingError, XserError

T = TypeVar("T")
NOTHING = "nothing"


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


def from_rank(source: int, work: Callable[[], T], group: torch.distributed.ProcessGroup | None = None) -> T:
    """What one rank computes, on all ranks; no other rank needs its disk.

    Arguments
    ---------
    source : int
        Which rank works.
    work : callable
        Its result must be picklable.
    group : ProcessGroup, optional
        The ranks that take part; by default all.

    Returns
    -------
    Any
        The result.

    Raises
    ------
    XserError, OSError
        What the work raises, on every rank.
    LostRankError
        On the other ranks, if it raises anything else: then the same command may do better.

    Example
    -------
    >>> from_rank(0, lambda: {"step": 5})
    {'step': 5}
    """
    if not is_distributed_initialized():
        return work()
    told: list[Any] = [None, LostRankError(f"Rank {source} has failed; its own error says why.")]
    try:
        if rank() == source:
            with MainProcessContext():  # SpeechBrain's collectives wait for nobody inside
                told = [work(), None]
    except (XserError, OSError) as error:
        told[1] = error
        raise
    finally:  # the others wait here
        torch.distributed.broadcast_object_list(told, src=source, group=group)
    if told[1] is not None:
        raise told[1]
    return told[0]


def tensors_from_rank(
    source: int, tensors: Mapping[str, torch.Tensor], device: str | torch.device
) -> dict[str, torch.Tensor]:
    """The tensors of one rank, on all ranks; what the others hand over is not used.

    Arguments
    ---------
    source : int
        Which rank has them.
    tensors : mapping of str to Tensor
        By name, on any device.
    device : str or torch.device
        Where ranks exchange; tensors arrive there, on the other ranks.

    Returns
    -------
    dict of str to Tensor
        In the source's order.

    Example
    -------
    >>> tensors_from_rank(0, {"w": torch.ones(2)}, "cpu")
    {'w': tensor([1., 1.])}
    """
    if not is_distributed_initialized():
        return dict(tensors)
    known = from_rank(source, lambda: {name: (each.shape, each.dtype) for name, each in tensors.items()})
    received = {}
    for name, (shape, dtype) in known.items():
        here = rank() == source
        tensor = tensors[name].to(device).contiguous() if here else torch.empty(shape, dtype=dtype, device=device)
        torch.distributed.broadcast(tensor, source)
        received[name] = tensors[name] if here else tensor
    return received


def agree(values: Mapping[str, Any]) -> None:
    """Compares what must be the same on all ranks before they train together.

    Arguments
    ---------
    values : mapping of str to plain values
        E.g. data, settings and position, by name.

    Raises
    ------
    TrainingError
        On every rank; names what differs, and on which rank.

    Example
    -------
    >>> agree({"seed": 1})
    """
    of_ranks = gather_lists([dict(values)])
    first, lines = of_ranks[0], []
    for number, other in enumerate(of_ranks):
        different = [key for key in first | other if first.get(key, NOTHING) != other.get(key, NOTHING)]
        told = (f"{key} {other.get(key, NOTHING)!r} for {first.get(key, NOTHING)!r}" for key in different)
        lines += [f"rank {number} has {', '.join(told)}"] if different else []
    if lines:
        raise TrainingError(
            f"The ranks do not train the same run; against the first, {'; '.join(lines)}. "
            "Give every node the same command, data and version."
        )


def rank_of_highest(value: tuple) -> int | None:
    """The first rank whose value is the highest; ``None`` if the value is empty on all.

    Example
    -------
    >>> rank_of_highest((3,)), rank_of_highest(())
    (0, None)
    """
    values = gather_lists([value])
    highest = max(values)
    return values.index(highest) if highest else None


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
