"""Starts a training on several ranks, on this machine or with others: torchrun, with what a restart needs.

torchrun starts the ranks of this machine, finds those of other machines, and starts all of them again if one ends;
each start goes on from the newest checkpoint. Two things are ours. The store through which ranks meet is not shared
with torchrun's own (``TORCH_DISABLE_SHARE_RDZV_TCP_STORE``): otherwise a killed first rank ends the job (pytorch issue
135712). And a rank that ends with an error of ours leaves a note, so that a restart does not try the same again.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import NamedTuple

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.elastic.rendezvous.api import RendezvousError
from torch.distributed.run import get_args_parser, run

from speechbrain_xser.errors import SettingsError, TrainingError
from speechbrain_xser.utils.commandline import give_back_stdout
from speechbrain_xser.utils.restart_note import JOB, MEETING, launch_folder, noted_code
from speechbrain_xser.utils.threads import usable_cores

PORT = 29500  # where machines meet, unless the address names another
RANKS = "expected a whole number of at least 1"
NODES = re.compile(r"[1-9]\d*(:[1-9]\d*)?")
ADDRESS = re.compile(r"(\[[^\]]+\]|[^\s:]+)(:\d+)?")


class Launch(NamedTuple):
    """How many processes train, where, and how often they are started again."""

    ranks: int  # on this machine
    nodes: str = "1"  # machines, or the fewest and the most: "1:2"
    address: str | None = None  # of one of the machines, HOST or HOST:PORT, the same on all
    restarts: int = 3
    job: str = "xser"  # tells jobs apart that meet at one address


def launch(launched: Launch, command: Sequence[str]) -> None:
    """Runs a module of Python on all ranks of this machine, and ends when they end.

    Arguments
    ---------
    launched : Launch
        Ranks, machines and restarts.
    command : sequence of str
        The module and its words.

    Raises
    ------
    SettingsError
        If the numbers or the address are wrong, or several machines have no address.
    TrainingError
        If the machines do not find each other.
    SystemExit
        With the exit code of the rank that failed first; 128 and the signal's number if a signal ended it.

    Example
    -------
    >>> launch(Launch(ranks=2, nodes="2"), ["speechbrain_xser.cli", "train", "Tiny"])
    Traceback (most recent call last):
        ...
    speechbrain_xser.errors.SettingsError: --nodes 2 needs --address HOST, one of the machines, the same on all.
    """
    words = launcher_words(launched)
    threads = max(1, usable_cores() // launched.ranks)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    give_back_stdout()
    os.environ |= {MEETING: meeting_place(launched), JOB: launched.job}
    with launch_folder():
        try:
            run(get_args_parser().parse_args([*words, "-m", *command]))
        except ChildFailedError as error:
            first = min(error.failures.values(), key=lambda failure: failure.timestamp)
            sys.exit(noted_code() or _exit_code(first.exitcode))
        except SignalException as error:
            sys.exit(128 + error.sigval)
        except RendezvousError as error:
            raise TrainingError(
                f"The machines did not find each other at {launched.address} ({error}): start the same command on each "
                "of them, and check that they reach the address."
            ) from error


def launcher_words(launched: Launch) -> list[str]:
    """The options of torchrun.

    Example
    -------
    >>> launcher_words(Launch(ranks=8, nodes="2", address="node1"))[:3]
    ['--nproc-per-node=8', '--max-restarts=3', '--nnodes=2']
    """
    if launched.ranks < 1 or launched.restarts < 0:
        raise SettingsError(f"--ranks {launched.ranks} --restarts {launched.restarts}: {RANKS}, and 0 or more.")
    fewest, _, most = launched.nodes.partition(":")
    if not NODES.fullmatch(launched.nodes) or int(fewest) > int(most or fewest):
        raise SettingsError(f"--nodes is {launched.nodes!r}; expected a number, or the fewest and the most: 1:2.")
    if launched.nodes == "1" and launched.address is not None:
        raise SettingsError("--address is for several machines: say with --nodes how many they are.")
    common = [f"--nproc-per-node={launched.ranks}", f"--max-restarts={launched.restarts}"]
    if launched.nodes == "1":
        return [*common, "--standalone"]
    if launched.address is None:
        raise SettingsError(f"--nodes {launched.nodes} needs --address HOST, one of the machines, the same on all.")
    if not ADDRESS.fullmatch(launched.address):
        raise SettingsError(f"--address is {launched.address!r}; expected HOST or HOST:PORT.")
    meeting = ["--rdzv-backend=c10d", f"--rdzv-endpoint={meeting_place(launched)}", f"--rdzv-id={launched.job}"]
    return [*common, f"--nnodes={launched.nodes}", *meeting]


def meeting_place(launched: Launch) -> str:
    """HOST:PORT where several machines meet; empty for one machine.

    Example
    -------
    >>> meeting_place(Launch(ranks=8, nodes="2", address="node1"))
    'node1:29500'
    """
    found = ADDRESS.fullmatch(launched.address or "")
    return "" if found is None else launched.address if found[2] else f"{launched.address}:{PORT}"


def _exit_code(code: int) -> int:
    return 128 - code if code < 0 else code
