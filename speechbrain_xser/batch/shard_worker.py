"""What a process or an actor does: it loads one model, then turns shard after shard into rows."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from speechbrain_xser.batch.input_shards import InputShard
from speechbrain_xser.batch.row_folder import RowFolder
from speechbrain_xser.batch.shard_report import ShardReport
from speechbrain_xser.errors import BatchError, XserError
from speechbrain_xser.utils.quick_imports import importing
from speechbrain_xser.utils.scratch_folder import scratch_folder

if TYPE_CHECKING:
    from speechbrain_xser.batch.batch_clip import BatchClip

logger = logging.getLogger(__name__)

PREFIX = "xser-shard-"  # of folders for copies of sound

RowMaker = Callable[[Sequence["BatchClip"]], list[dict[str, Any]]]


class Work(Protocol):
    """What is done with clips: plain values, which travel to every worker."""

    def load(self, place: int, processes: int) -> RowMaker:
        """Loads what it needs, in worker number ``place`` of so many on this machine."""
        ...

    def schema(self) -> Any:
        """The columns of its rows."""
        ...

    def fingerprint(self) -> str | None:
        """What a path or a name does not tell of what decides the rows: the content of a model's files."""
        ...


def check_pyarrow() -> None:
    """Refuses rows that could not be written, before anything is loaded.

    Raises
    ------
    BatchError
        If pyarrow is missing; names the extra.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise BatchError(f"Rows need pyarrow ({error}). Run: pip install 'speechbrain_xser[parquet]'") from error


class Job(NamedTuple):
    """All that a worker needs to know."""

    work: Work
    rows: RowFolder
    data_folder: str | None = None
    processes: int = 1  # on one machine

    def worker(self, place: int) -> ShardWorker:
        """Worker number ``place`` of a machine, with all that it has to load."""
        return ShardWorker(self, place)


class ShardWorker:
    """Does shards, one after the other.

    Arguments
    ---------
    job : Job
        What is loaded here, and not sent.
    place : int
        Number of this worker on its machine.
    """

    def __init__(self, job: Job, place: int = 0) -> None:
        self.job, self.fault, self.make_rows = job, None, None
        try:
            with importing():
                self.make_rows = job.work.load(place, job.processes)
        except Exception as error:  # another try, at the next shard, would not go better
            logger.debug("Nothing was loaded.", exc_info=True)
            self.fault = _told(error)

    def __call__(self, shard: InputShard) -> ShardReport:
        """Writes the rows of a shard; what a fault of the machine prevents is told, and can be done again."""
        if self.fault is not None:
            return ShardReport(shard.number, fault=self.fault, begun=False)
        begun = time.monotonic()
        left_out: list[str] = []
        try:
            rows = self._rows(shard, left_out)
        except Exception as error:  # one shard stops no other
            logger.debug("Shard %d ended here.", shard.number, exc_info=True)
            return ShardReport(shard.number, fault=f"shard {shard.number}: {_told(error)}")
        errors = sum(row.get("error") is not None for row in rows)
        report = ShardReport(shard.number, len(rows), errors, time.monotonic() - begun)
        return report._replace(left_out=len(left_out), example=next(iter(left_out), None))

    def _rows(self, shard: InputShard, left_out: list[str]) -> list[dict[str, Any]]:
        from speechbrain_xser.batch.shard_clips import shard_clips  # and torch, which only workers need

        if (kept := self.job.rows.kept(shard.number)) is not None:  # its worker was killed before it said so
            return kept
        with scratch_folder(PREFIX) as folder:
            clips = shard_clips(shard, folder, self.job.data_folder)
            left_out += [fault for one in clips for fault in one.left_out]
            rows = self.make_rows(clips)
        self.job.rows.write(shard.number, rows, self.job.work.schema())
        return rows


def _told(error: Exception) -> str:
    """An error in a line; one of a library is named by its type."""
    told = error if isinstance(error, XserError | OSError) else f"{type(error).__name__}: {error}"
    return " ".join(str(told).split())
