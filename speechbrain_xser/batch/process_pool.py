"""Workers as processes of this machine: one that is killed is replaced, and its shard is done again.

The workers end with this process, however it ends.
"""

from __future__ import annotations

import signal
import tempfile
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from speechbrain_xser.batch.input_shards import InputShard
from speechbrain_xser.batch.shard_report import ShardReport, given_up
from speechbrain_xser.utils.parent import end_after
from speechbrain_xser.utils.scratch_folder import scratch_folder

if TYPE_CHECKING:
    from speechbrain_xser.batch.shard_worker import Job

PREFIX = "xser-batch-"  # of the folder with workers' temporary files
MOST_DEATHS = 3  # of workers over one shard
CONTEXT = get_context("spawn")  # forked processes cannot use torch's threads or a GPU


class _Process(NamedTuple):
    """A worker and the pipe to it."""

    process: CONTEXT.Process
    pipe: connection.Connection
    place: int


def work_in_processes(job: Job, shards: Sequence[InputShard]) -> Iterator[ShardReport]:
    """Does shards in ``job.processes`` processes; yields a report of each as soon as it is done.

    A shard whose workers die three times is given up and reported.
    """
    waiting, deaths, busy = deque(shards), Counter(), {}
    with scratch_folder(PREFIX) as scratch, _ended(busy):
        for place in range(min(job.processes, len(shards))):
            _give(_started(job, place, scratch), waiting, busy)
        while busy:
            for pipe in connection.wait(list(busy)):
                worker, shard = busy.pop(pipe)
                try:
                    yield pipe.recv()
                except (EOFError, OSError):
                    deaths[shard.number] += 1
                    worker.process.join()
                    if deaths[shard.number] < MOST_DEATHS:
                        waiting.appendleft(shard)
                    else:
                        code = worker.process.exitcode
                        yield given_up(shard, f"worker died {MOST_DEATHS} times (exit code {code})")
                    worker = _started(job, worker.place, scratch) if waiting else None
                if worker is not None:
                    _give(worker, waiting, busy)


@contextmanager
def _ended(busy: dict[connection.Connection, tuple[_Process, InputShard]]) -> Iterator[None]:
    """Ends the workers that are busy at the end."""
    try:
        yield
    finally:
        for worker, _ in busy.values():
            worker.process.kill()
        for worker, _ in busy.values():
            worker.process.join()


def _started(job: Job, place: int, scratch: Path) -> _Process:
    ours, theirs = CONTEXT.Pipe()
    process = CONTEXT.Process(target=_serve, args=(job, place, theirs, str(scratch)), daemon=True)
    process.start()
    theirs.close()  # so that its death closes the pipe
    return _Process(process, ours, place)


def _give(worker: _Process, waiting: deque[InputShard], busy: dict) -> None:
    """Sends the next shard; without one the worker ends by itself."""
    if not waiting:
        worker.pipe.close()
        return
    shard = waiting.popleft()
    busy[worker.pipe] = worker, shard
    try:
        worker.pipe.send(shard)
    except OSError:  # it has died, which the next wait tells
        pass


def _serve(job: Job, place: int, pipe: connection.Connection, scratch: str) -> None:
    """The worker's process, whose temporary files are below the parent's folder, which outlives a killed worker."""
    tempfile.tempdir = scratch
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends its workers
    end_after(parent_process().join)
    worker = job.worker(place)
    while True:
        try:
            shard = pipe.recv()
        except EOFError:
            return
        pipe.send(worker(shard))
