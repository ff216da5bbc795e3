"""The device of a command or a run: checked before any long work, and where the LLM's weights go as they are read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from speechbrain_xser.errors import SettingsError
from speechbrain_xser.utils.threads import usable_cores

NAMES = "cpu, cuda, cuda:1 or mps"
LARGE = 40e9  # bytes of a card that has room for many rows
MANY, FEW = 32, 8
_target: ContextVar[str | None] = ContextVar("target", default=None)


def checked_device(device: str | None) -> str:
    """The device, or a ``SettingsError`` if it cannot be used; None is a CUDA GPU if there is one, else the CPU."""
    import torch  # slow to load

    name = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        mps = "MPS" if torch.backends.mps.is_available() else "no MPS"
        found = f"there are {torch.cuda.device_count()} CUDA GPUs and {mps}"
        raise SettingsError(
            f"device {name!r} cannot be used here; expected {NAMES} ({found}). Omit --device."
        ) from error
    return name


def evaluation_rows(device: str | None = None) -> int:
    """Clips that are answered together unless told otherwise: 32 on a GPU of 40 GB or more, else 8.

    Example
    -------
    >>> evaluation_rows("cpu")
    8
    """
    import torch  # slow to load

    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    large = place.type == "cuda" and torch.cuda.get_device_properties(place).total_memory >= LARGE
    return MANY if large else FEW


def workers_here(gpu: bool) -> int:
    """How many models work at once if nobody says it: one on each GPU of this machine, or else one for each core."""
    if not gpu:
        return usable_cores()
    import torch  # slow to load

    return torch.cuda.device_count() or usable_cores()


@contextmanager
def straight_to(device: str | None) -> Iterator[None]:
    """Inside, the weights of an LLM go to a GPU as they are read, and never lie in the host's memory as a whole.

    Example
    -------
    >>> with straight_to("cuda:1"):
    ...     device_map()
    {'device_map': {'': 'cuda:1'}}
    >>> device_map()
    {}
    """
    token = _target.set(device)
    try:
        yield
    finally:
        _target.reset(token)


def device_map() -> dict[str, dict[str, str]]:
    """The argument of transformers' ``from_pretrained`` for that; none on a CPU, where weights are mapped anyway."""
    device = _target.get()
    return {} if device is None or not device.startswith("cuda") else {"device_map": {"": device}}
