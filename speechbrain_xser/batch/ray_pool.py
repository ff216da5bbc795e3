"""Workers as actors of Ray Data, on this machine or on a cluster; the model is loaded in each actor.

Ray starts a killed actor again, and gives its shards to others. It knows nothing of what is done: a shard's own file
says that, so a killed driver goes on with what is missing.
"""

from __future__ import annotations

import logging
import os
import pickle
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from speechbrain_xser.batch.input_shards import InputShard
from speechbrain_xser.batch.shard_report import ShardReport, given_up
from speechbrain_xser.batch.shard_worker import Job
from speechbrain_xser.errors import BatchError

if TYPE_CHECKING:
    import ray

BLOCKS = 10_000  # at most; a block is one task
RETRIES = 5  # of a task whose actor died
ALONE = {"max_tasks_in_flight_per_actor": 1}  # one that waits in an actor would die with it, and be given up, too
STORE_BYTES = 200 << 20  # of a Ray that is started here: only numbers of shards go through it
STARTS = 3  # of a Ray that does not come up
SPARE = 2  # logical cores of it for Ray's own tasks
LOCAL = "local"


class RayWorker:
    """The same worker as an actor of Ray Data."""

    def __init__(self, job: Job) -> None:
        self.worker = job.worker(0)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Does the shards of a batch."""
        reports = [self.worker(pickle.loads(shard)) for shard in batch["shard"]]
        return {"report": [pickle.dumps(report) for report in reports]}


def work_on_ray(job: Job, shards: Sequence[InputShard], gpu: bool = False) -> Iterator[ShardReport]:
    """Does shards in up to ``job.processes`` actors; yields a report of each as soon as it is done.

    Joins the cluster that RAY_ADDRESS names, or the one that this machine belongs to; without one, or with
    ``RAY_ADDRESS=local``, starts Ray here for as long as this takes. A shard whose actors die again and again is given
    up and reported.

    Arguments
    ---------
    job : Job
        The inputs, the rows and the model have to be within reach of every node.
    shards : sequence of InputShard
        Those that are missing.
    gpu : bool
        Whether actors share the GPUs of the cluster.

    Yields
    ------
    ShardReport
        One for each shard.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    import ray.data  # both take seconds

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    pool = _joined(job.processes) or _started(job.processes)
    missing = {shard.number: shard for shard in shards}
    try:
        for report in _reports(job, shards, pool, _resources(job.processes, gpu)):
            del missing[report.number]
            yield report
    finally:
        ray.shutdown()
    for shard in missing.values():
        yield given_up(shard, f"actors died, also in {RETRIES} retries")


def _joined(actors: int) -> ray.data.ActorPoolStrategy | None:
    """A pool on a running cluster, which grows as there is room; None if there is no cluster."""
    import ray

    address = os.environ.get("RAY_ADDRESS") or "auto"
    if address == LOCAL:
        return None
    try:
        ray.init(address, logging_level="warning")
    except ConnectionError as error:
        if address != "auto":
            raise BatchError(f"No Ray at {address}: {error}. Check RAY_ADDRESS, or unset it.") from error
        return None
    return ray.data.ActorPoolStrategy(min_size=1, max_size=actors, **ALONE)


def _started(actors: int) -> ray.data.ActorPoolStrategy:
    """A pool on this machine alone, which may have fewer cores than actors."""
    import ray

    os.environ.setdefault("RAY_memory_monitor_refresh_ms", "0")  # it would kill actors for the memory of other programs
    options = {"num_cpus": actors + SPARE, "object_store_memory": STORE_BYTES, "include_dashboard": False}
    for left in reversed(range(STARTS)):
        try:
            ray.init(LOCAL, logging_level="warning", **options)
            break
        except Exception as error:  # of no kind of its own, where a busy machine takes longer than Ray's 30 s
            ray.shutdown()
            if not left:
                raise BatchError(f"Ray did not start here: {error} Give the same command again.") from error
    return ray.data.ActorPoolStrategy(size=actors, **ALONE)


def _resources(actors: int, gpu: bool) -> dict[str, float]:
    """What an actor takes: a core, and its share of the GPUs."""
    import ray

    share = ray.cluster_resources().get("GPU", 0) / actors if gpu else 0
    return {"num_cpus": 1, **({"num_gpus": min(share, 1)} if share else {})}


def _reports(job: Job, shards: Sequence[InputShard], pool: Any, resources: dict[str, float]) -> Iterator[ShardReport]:
    import ray

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars, context.max_errored_blocks = False, -1
    items = [{"shard": pickle.dumps(shard)} for shard in shards]
    given = ray.data.from_items(items, override_num_blocks=min(len(items), BLOCKS))
    options = {"compute": pool, "fn_constructor_args": (job,), "ray_remote_args_fn": _retried, **resources}
    with warnings.catch_warnings(action="ignore"):  # the way to say how often has changed and will change again
        found = given.map_batches(RayWorker, batch_size=1, **options)
    for row in found.iter_rows():
        yield pickle.loads(row["report"])


def _retried() -> dict[str, int]:
    return {"max_task_retries": RETRIES}
