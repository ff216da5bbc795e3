"""The group of ranks that a launcher has started: joined at the start of a run, left at its end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from speechbrain.utils.distributed import ddp_init_group

from speechbrain_xser.errors import LostRankError, SettingsError

if TYPE_CHECKING:
    from speechbrain.utils.run_opts import RunOptions

NAMES = ("RANK", "LOCAL_RANK")  # what torchrun gives its processes
LOST = (  # in what torch says when another rank has ended
    "closed by peer",  # gloo
    "reset by peer",
    "broken pipe",  # the store of the first rank
    "connection was likely closed",
    "remote process exit",  # NCCL: "exited or there was a network error", "exiting prematurely"
)


def is_launched() -> bool:
    """Whether this process is one of several that torchrun has started.

    Example
    -------
    >>> is_launched()
    False
    """
    return all(name in os.environ for name in NAMES)


def is_started_again() -> bool:
    """Whether torchrun has started the ranks before, in this launch.

    Example
    -------
    >>> is_started_again()
    False
    """
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


@contextmanager
def joined(run_opts: RunOptions) -> Iterator[None]:
    """Joins the ranks that torchrun has started, and leaves them however the run ends; does nothing in one process.

    Ranks on CPUs use gloo, unless the command line names another backend.

    Arguments
    ---------
    run_opts : RunOptions
        SpeechBrain's: device and backend.

    Raises
    ------
    SettingsError
        If there are fewer GPUs than ranks on this machine, or the backend cannot be used.
    LostRankError
        If another rank has ended in the middle of an exchange.

    Example
    -------
    >>> from speechbrain.utils.run_opts import RunOptions
    >>> with joined(RunOptions()):
    ...     torch.distributed.is_initialized()
    False
    """
    if not is_launched():
        yield
        return
    try:
        ddp_init_group({"distributed_backend": _backend(run_opts)})
    except ValueError as error:
        reason = str(error).replace("Killing process", "").strip()
        raise SettingsError(f"The ranks cannot join: {reason} Use fewer --ranks, or --device=cpu.") from error
    try:
        yield
    except RuntimeError as error:
        if not is_lost_rank(error):
            raise
        raise LostRankError(
            f"Another rank has ended, and this one with it ({_first_line(error)}): its own error says why. "
            "The same command continues from the last checkpoint."
        ) from error
    finally:
        torch.distributed.destroy_process_group()


def is_lost_rank(error: RuntimeError) -> bool:
    """Whether torch has lost the connection to another rank; any other failure of gloo or NCCL is a cause itself.

    Example
    -------
    >>> is_lost_rank(RuntimeError("[gloo/transport/tcp/pair.cc:537] Connection closed by peer [127.0.0.1]:5141"))
    True
    >>> is_lost_rank(torch.distributed.DistBackendError("NCCL error: unhandled cuda error"))
    False
    """
    of_torch = type(error) is RuntimeError or isinstance(error, torch.distributed.DistError)
    return of_torch and any(word in str(error).lower() for word in LOST)


def _first_line(error: RuntimeError) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _backend(run_opts: RunOptions) -> str:
    device = run_opts.device or ("cuda" if torch.cuda.is_available() else "cpu")
    given = "distributed_backend" in run_opts.overridden_args
    return "gloo" if torch.device(device).type == "cpu" and not given else run_opts.distributed_backend
