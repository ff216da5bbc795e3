"""Workers as actors of Ray Data, on this machine or on a cluster; the model is loaded in each actor.

Ray starts a killed actor again, with the shard that it had. It knows nothing of what is done: a shard's own file says
that, so a killed driver goes on with what is missing. Until Ray knows that a node is dead, which takes half a minute,
the shards of its actors fail in all retries; so what is missing at the end is tried once more.
"""

from __future__ import annotations

import logging
import os
import pickle
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from speechbrain_xser.batch.input_shards import InputShard
from speechbrain_xser.batch.shard_report import ShardReport, given_up
from speechbrain_xser.batch.shard_worker import Job
from speechbrain_xser.errors import BatchError
from speechbrain_xser.utils.devices import workers_here

BLOCKS = 10_000  # at most; a block is one task
ROUNDS = 2  # the second is for what is missing after the first
RETRIES = 2  # of a task whose actor died, in each round
ALONE = {"max_tasks_in_flight_per_actor": 1}  # one that waits in an actor would die with it, and be given up, too
BUSY = 1.0  # tasks an actor at which a pool grows; Ray's own 1.75 would never be reached
STORE_BYTES = 200 << 20  # of a Ray that is started here: only numbers of shards go through it
STARTS = 3  # of a Ray that does not come up
CALLS = 2  # of 40 s each, to a cluster that does not answer; Ray's own 20 take a quarter of an hour
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
        The inputs, the rows and the model have to be within reach of every node. With 0 processes there are as many
        actors as the cluster has GPUs, or else cores.
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
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", str(CALLS))
    import ray
    import ray.data  # both take seconds

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    pool = _pool(job.processes, gpu)
    missing = {shard.number: shard for shard in shards}
    try:
        for _ in range(ROUNDS):
            for report in _reports(job, list(missing.values()), pool):
                del missing[report.number]
                yield report
    finally:
        ray.shutdown()
    for shard in missing.values():
        yield given_up(shard, f"actors died {ROUNDS * (1 + RETRIES)} times")


class Pool(NamedTuple):
    """The actors of a run."""

    actors: int
    joined: bool  # a cluster, which may have less room
    share: dict[str, float]  # what each of them takes


def _pool(actors: int, gpu: bool) -> Pool:
    """Joins a cluster or starts Ray here. Without a number, there is an actor for each GPU, or else for each core."""
    import ray

    joined = _join()
    if not joined:
        actors = actors or workers_here(gpu)
        _start(actors)
    there = ray.cluster_resources()
    gpus = there.get("GPU", 0) if gpu else 0
    actors = actors or max(1, int(gpus or there.get("CPU", 0)))
    return Pool(actors, joined, {"num_cpus": 1, **({"num_gpus": min(gpus / actors, 1)} if gpus else {})})


def _join() -> bool:
    """Joins a running cluster, if there is one."""
    import ray

    address = os.environ.get("RAY_ADDRESS") or "auto"
    if address == LOCAL:
        return False
    try:
        ray.init(address, logging_level="warning")
    except ConnectionError as error:
        if address != "auto":
            raise BatchError(
                f"No Ray at {address}: {error}. Check RAY_ADDRESS, or unset it; if the cluster asks for a token, set "
                "RAY_AUTH_MODE=token."
            ) from error
        return False
    return True


def _start(actors: int) -> None:
    """Starts Ray on this machine alone, which may have fewer cores than actors."""
    import ray

    os.environ.setdefault("RAY_memory_monitor_refresh_ms", "0")  # it would kill actors for the memory of other programs
    options = {"num_cpus": actors + SPARE, "object_store_memory": STORE_BYTES, "include_dashboard": False}
    for left in reversed(range(STARTS)):
        try:
            ray.init(LOCAL, logging_level="warning", **options)
            return
        except Exception as error:  # of no kind of its own, where a busy machine takes longer than Ray's 30 s
            ray.shutdown()
            if not left:
                raise BatchError(f"Ray did not start here: {error} Give the same command again.") from error


def _reports(job: Job, shards: Sequence[InputShard], pool: Pool) -> Iterator[ShardReport]:
    """Of the shards that could be done; with no shards nothing is begun."""
    import ray

    if not shards:
        return
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars, context.max_errored_blocks = False, -1
    context.autoscaling_config.actor_pool_util_upscaling_threshold = BUSY
    items = [{"shard": pickle.dumps(shard)} for shard in shards]
    given = ray.data.from_items(items, override_num_blocks=min(len(items), BLOCKS))
    actors = min(pool.actors, len(shards))
    strategy = ray.data.ActorPoolStrategy(min_size=1 if pool.joined else actors, max_size=actors, **ALONE)
    options = {"compute": strategy, "fn_constructor_args": (job._replace(processes=pool.actors),), **pool.share}
    with warnings.catch_warnings(action="ignore"):  # the way to say how often has changed and will change again
        found = given.map_batches(RayWorker, batch_size=1, ray_remote_args_fn=_retried, **options)
    for row in found.iter_rows():
        yield pickle.loads(row["report"])


def _retried() -> dict[str, int]:
    return {"max_task_retries": RETRIES}
