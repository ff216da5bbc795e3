"""The ranks of one machine, the first of which reads the weights of backbones, and the rows of manifests, for all.

The others build the same model without weights, and receive them tensor by tensor. So a machine reads a file once, and
needs no folder in common with other machines.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

import torch
from speechbrain.utils.distributed import is_distributed_initialized
from torch import Tensor, nn

from speechbrain_xser.errors import BackboneError
from speechbrain_xser.training.distributed import from_rank, rank
from speechbrain_xser.utils.weight_reading import M, read_by

PATIENCE = timedelta(hours=6)  # of ranks that wait for the one that reads
T = TypeVar("T")


class Machine(NamedTuple):
    """The ranks of this machine; all of them have to look for it at the same time."""

    first: int  # rank
    group: torch.distributed.ProcessGroup

    @classmethod
    def here(cls, backend: str | None = None) -> Machine:
        """This rank's own, by what torchrun says of it; its ranks exchange as all do, or through another backend."""
        size = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        first = rank() - (int(os.environ["LOCAL_RANK"]) if size > 1 else 0)
        members = list(range(first, first + size))
        return cls(first, torch.distributed.new_group(members, PATIENCE, backend, use_local_synchronization=True))


def once_a_machine(work: Callable[[], T]) -> T:
    """What the first rank of a machine computes, on all of its ranks.

    Arguments
    ---------
    work : callable
        Its result must be picklable.

    Returns
    -------
    Any
        The result.

    Raises
    ------
    XserError, OSError
        What the work raises, on every rank of the machine.

    Example
    -------
    >>> once_a_machine(lambda: 5)
    5
    """
    if not is_distributed_initialized():
        return work()
    machine = Machine.here("gloo")  # NCCL would keep memory of the GPU for each group
    return from_rank(machine.first, work, machine.group)


class Description(NamedTuple):
    """What the other ranks are told of a model."""

    tensors: dict[str, tuple[torch.Size, torch.dtype, bool]]  # by name: whether each requires a gradient, too
    place: str  # type of the device that it was read to
    generation: Any  # transformers' settings of generation, which a file beside the weights may hold
    random: Tensor  # torch's state after it was read


class Node:
    """The ranks of this machine; all of them have to make one at the same time.

    Arguments
    ---------
    device : str
        Of this rank, where ranks exchange.
    divided : bool
        Whether divisible weights stay with the rank that has read them, until they are sent.
    """

    def __init__(self, device: str, divided: bool = False) -> None:
        self.device, self.divided = torch.device(device), divided
        self.first, self.group = Machine.here()

    def model(self, read: Callable[[], M], build: Callable[[], M], divisible: bool = False) -> M:
        """A model that one rank reads; see :func:`~speechbrain_xser.utils.weight_reading.weights`.

        Raises
        ------
        XserError, OSError
            What reading raises, on every rank of the machine.
        BackboneError
            If the model is another without its weights.
        """
        here = []  # on the rank that reads

        def description() -> Description:
            here.append(read())
            return _described(here[0])

        known = from_rank(self.first, description, self.group)
        model = here[0] if here else self._without_content(build, known)
        if not (divisible and self.divided):
            self.send(_tensors(model).values())
        return model

    @torch.no_grad()
    def send(self, tensors: Iterable[Tensor], move: bool = False) -> None:
        """Sends tensors of the first rank to the others, one after the other, which receive in place.

        Arguments
        ---------
        tensors : iterable of Tensor
            Of the same shapes and types on all ranks.
        move : bool
            Whether they lie on the device of their rank afterwards.
        """
        for tensor in tensors:
            sent = self._sent(tensor)
            if move:
                tensor.data = sent
            elif sent is not tensor and rank() != self.first:
                tensor.copy_(sent)

    def _sent(self, tensor: Tensor) -> Tensor:
        there = tensor.device == self.device and tensor.is_contiguous()
        if there or rank() == self.first:
            sent = tensor if there else tensor.to(self.device).contiguous()
        else:
            sent = torch.empty(tensor.shape, dtype=tensor.dtype, device=self.device)
        if sent.numel():
            torch.distributed.broadcast(sent.detach().view(-1).view(torch.uint8), self.first, self.group)
        return sent

    def _without_content(self, build: Callable[[], M], known: Description) -> M:
        """The same model with tensors that take no memory until something is written to them."""
        with torch.device("meta"):
            model = build()
        model.to_empty(device=self.device if known.place == self.device.type else known.place)
        model.tie_weights()  # undone by the line before
        tensors = _tensors(model)
        if {name: one.shape for name, one in tensors.items()} != {name: one[0] for name, one in known.tensors.items()}:
            raise BackboneError(f"{type(model).__name__}: its weights are not those that its config.json describes")
        for name, (_, dtype, trained) in known.tensors.items():
            tensors[name].data = tensors[name].data.to(dtype)
            tensors[name].requires_grad_(trained)
        if known.generation is not None:
            model.generation_config = known.generation
        torch.set_rng_state(known.random)
        return model.eval()


@contextmanager
def read_once_a_machine(device: str | None, divided: bool = False) -> Iterator[None]:
    """Inside, the first rank of each machine reads backbones for all of its ranks.

    Does nothing in one process, nor for whole weights on CPUs: there each rank maps the same file, whose pages lie in
    memory once, and a rank that received them would have a copy of its own.

    Example
    -------
    >>> with read_once_a_machine("cpu"):
    ...     is_distributed_initialized()
    False
    """
    device = device or "cpu"
    if not is_distributed_initialized() or (torch.device(device).type == "cpu" and not divided):
        yield
        return
    with read_by(Node(device, divided).model):
        yield


def _described(model: nn.Module) -> Description:
    tensors = _tensors(model)
    known = {name: (tensor.shape, tensor.dtype, tensor.requires_grad) for name, tensor in tensors.items()}
    place = next(iter(tensors.values())).device.type
    return Description(known, place, getattr(model, "generation_config", None), torch.get_rng_state())


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, shared ones once; buffers also that no file holds."""
    return dict([*model.named_parameters(), *model.named_buffers()])
