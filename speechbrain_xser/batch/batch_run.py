"""Batch work from inputs to rows: what is done already stays, what is missing is done, by whatever engine."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import NamedTuple

from speechbrain_xser.batch.input_shards import CLIPS, InputShard, plan_shards
from speechbrain_xser.batch.row_folder import RowFolder
from speechbrain_xser.batch.shard_report import ShardReport
from speechbrain_xser.batch.shard_worker import Job, Work, check_pyarrow
from speechbrain_xser.data.addresses import is_address
from speechbrain_xser.errors import BatchError
from speechbrain_xser.utils.commandline import claimed

logger = logging.getLogger(__name__)

Engine = Callable[[Job, Sequence[InputShard]], Iterator[ShardReport]]
TOLD_SECONDS = 10.0  # between two lines of progress


class Share(NamedTuple):
    """The part of all shards that one task of a job array does: number ``index`` of ``count``, from 1."""

    index: int = 1
    count: int = 1

    def of(self, shards: Sequence[InputShard]) -> list[InputShard]:
        """Every ``count``-th shard.

        Example
        -------
        >>> [Share(2, 3).of("abcdefg"), Share().of("ab")]
        [['b', 'e'], ['a', 'b']]
        """
        return list(shards[self.index - 1 :: self.count])


WHOLE = Share()


class BatchCounts(NamedTuple):
    """What a run did."""

    shards: int = 0
    before: int = 0  # shards that were done already
    clips: int = 0
    errors: int = 0  # clips that could not be read, which are rows with an error
    left_out: int = 0  # fields of tars and Parquet files that do not fit


def run_batch(
    sources: Sequence[str],
    out: str,
    work: Work,
    engine: Engine,
    jobs: int,
    clips_per_shard: int = CLIPS,
    data_folder: str | None = None,
    share: Share = WHOLE,
    tell: Callable[[str], object] = logger.info,
) -> BatchCounts:
    """Turns inputs into a folder of Parquet files, one for each shard that is not there yet.

    Arguments
    ---------
    sources : sequence of str
        As for :func:`~speechbrain_xser.batch.input_shards.plan_shards`.
    out : str
        The folder, local or in the cloud.
    work : Work
        What is done with clips.
    engine : Callable
        Does shards: :func:`~speechbrain_xser.batch.process_pool.work_in_processes` or
        :func:`~speechbrain_xser.batch.ray_pool.work_on_ray`.
    jobs : int
        Processes or actors, each with a model of its own.
    clips_per_shard : int
        Sound files, or lines of a manifest, in a shard.
    data_folder : str, optional
        Replaces ``{data_root}`` in manifests.
    share : Share
        Which shards are done here.
    tell : Callable
        Takes a line of progress.

    Returns
    -------
    BatchCounts

    Raises
    ------
    BatchError
        If inputs or output cannot be reached, the folder has rows of other inputs or settings, or shards failed; those
        are named, and all others are done.
    """
    check_pyarrow()
    plan = plan_shards(sources, clips_per_shard)
    decided = {"work": repr(work), "weights": work.fingerprint(), "data_folder": data_folder}
    rows = RowFolder(out)
    rows.create({"inputs": plan.digest, "shards": len(plan.shards), **decided})
    lock = f".lock-{share.index}-of-{share.count}"
    with nullcontext() if is_address(out) else claimed(out, lock=lock):
        wanted, done = share.of(plan.shards), rows.done()
        missing = [shard for shard in wanted if shard.number not in done]
        before = len(wanted) - len(missing)
        tell(f"{len(wanted)} shards, {before} of them done before.")
        if not missing:
            return BatchCounts(len(wanted), before)
        reports = engine(Job(work, rows, data_folder, jobs), missing)
        return _counted(reports, BatchCounts(len(wanted), before), tell)


def _counted(reports: Iterable[ShardReport], counts: BatchCounts, tell: Callable[[str], object]) -> BatchCounts:
    """Adds reports up and tells of progress; what failed is told at once, and all of it at the end."""
    began = told = time.monotonic()
    finished, failed = counts.before, []
    for report in reports:
        if not report.begun:
            raise BatchError(report.fault)
        if report.fault is not None:
            failed.append(report.fault)
            tell(f"failed: {report.fault}")
            continue
        finished += 1
        if report.left_out and not counts.left_out:
            tell(f"left out, as every field that does not fit: {report.example}")
        counts = counts._replace(
            clips=counts.clips + report.clips,
            errors=counts.errors + report.errors,
            left_out=counts.left_out + report.left_out,
        )
        if (now := time.monotonic()) - told >= TOLD_SECONDS or finished == counts.shards:
            told = now
            tell(_progress(finished, counts, now - began))
    if failed:
        raise BatchError(
            f"{len(failed)} of {counts.shards} shards failed and have no rows; the first: {failed[0]} All others are "
            "done. Give the same command again for those that failed."
        )
    return counts


def _progress(finished: int, counts: BatchCounts, seconds: float) -> str:
    rate = counts.clips / max(seconds, 1e-9)
    return (
        f"{finished} of {counts.shards} shards, {counts.clips} clips in {seconds:.0f} s ({rate:.1f} a second), "
        f"{counts.errors} not readable" + (f", {counts.left_out} fields left out" if counts.left_out else "")
    )
