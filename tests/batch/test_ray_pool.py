"""How actors come to a cluster that runs, or to a Ray that is started here, with a stand-in for Ray."""

import pickle
import sys
from functools import partial
from types import SimpleNamespace

import pytest

from speechbrain_xser.batch import ray_pool
from speechbrain_xser.batch.input_shards import InputShard
from speechbrain_xser.batch.ray_pool import Pool
from speechbrain_xser.batch.shard_report import ShardReport
from speechbrain_xser.errors import BatchError
from tests.batch.light_job import LightJob


class StandIn(SimpleNamespace):
    """Starts after so many failures; a cluster has its resources; each round of shards loses some numbers."""

    def __init__(self, failures: int = 0, there: dict | None = None, lost: list[set[int]] | None = None) -> None:
        super().__init__(failures=failures, there=there, begun=[], ended=0)
        scaling = SimpleNamespace(actor_pool_util_upscaling_threshold=1.75)
        self.context, self.pools, self.lost = SimpleNamespace(autoscaling_config=scaling), [], lost or []
        self.data = SimpleNamespace(
            ActorPoolStrategy=lambda **options: options,
            DataContext=SimpleNamespace(get_current=lambda: self.context),
            from_items=lambda items, override_num_blocks: SimpleNamespace(map_batches=partial(self.mapped, items)),
        )

    def mapped(self, items: list[dict], worker: type, compute: dict, **options) -> SimpleNamespace:
        """Reports of all but the numbers that are lost in this round."""
        self.pools.append(compute)
        lost = self.lost.pop(0)
        numbers = [pickle.loads(item["shard"]).number for item in items]
        rows = [{"report": pickle.dumps(ShardReport(number))} for number in numbers if number not in lost]
        return SimpleNamespace(iter_rows=lambda: iter(rows))

    def init(self, address: str, **options) -> None:
        self.begun.append((address, options.get("num_cpus")))
        if address == "auto" and self.there is None:
            raise ConnectionError("no cluster")
        if address == "local" and self.failures >= len(self.begun):
            raise Exception("The current node timed out during startup.")

    def shutdown(self) -> None:
        self.ended += 1

    def cluster_resources(self) -> dict:
        return self.there or {"CPU": self.begun[-1][1], "GPU": 3.0}


@pytest.fixture
def pool(tmp_path, monkeypatch):
    """What a pool is made of, for a stand-in."""

    def found(ray: StandIn, processes: int, gpu: bool = False, address: str | None = "local"):
        for name, module in (("ray", ray), ("ray.data", ray.data)):
            monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        if address is not None:
            monkeypatch.setenv("RAY_ADDRESS", address)
        monkeypatch.setattr(ray_pool, "workers_here", lambda gpu: 3 if gpu else 5)
        given = []
        monkeypatch.setattr(ray_pool, "_reports", lambda job, shards, pool: given.append(pool) or iter(()))
        assert list(ray_pool.work_on_ray(LightJob(str(tmp_path), processes), [], gpu)) == []
        return tuple(given[0])

    return found


def test_a_start_of_ray_that_fails_is_tried_again(pool):
    ray = StandIn(failures=2)
    assert pool(ray, 2) == (2, False, {"num_cpus": 1})
    assert ray.begun == [("local", 4)] * 3 and ray.ended == 3  # what failed twice, and the end


def test_a_ray_that_never_starts_is_told_after_three_times(pool):
    ray = StandIn(failures=9)
    with pytest.raises(BatchError, match="Ray did not start here: The current node timed out during startup. Give the"):
        pool(ray, 2)
    assert len(ray.begun) == 3


@pytest.mark.parametrize(
    ("there", "processes", "gpu", "actors", "share"),
    [
        ({"CPU": 64.0, "GPU": 16.0}, 0, True, 16, {"num_cpus": 1, "num_gpus": 1}),
        ({"CPU": 64.0, "GPU": 16.0}, 0, False, 64, {"num_cpus": 1}),
        ({"CPU": 64.0}, 0, True, 64, {"num_cpus": 1}),
        ({"CPU": 64.0, "GPU": 16.0}, 32, True, 32, {"num_cpus": 1, "num_gpus": 0.5}),
        ({"CPU": 64.0, "GPU": 16.0}, 4, True, 4, {"num_cpus": 1, "num_gpus": 1}),
        ({}, 0, False, 1, {"num_cpus": 1}),
    ],
)
def test_a_cluster_is_asked_for_its_own_gpus_and_cores(pool, there, processes, gpu, actors, share):
    """The machine of the driver has three GPUs and five cores."""
    assert pool(StandIn(there={"node": 1.0, **there}), processes, gpu, address=None) == (actors, True, share)


@pytest.mark.parametrize(("gpu", "actors"), [(True, 3), (False, 5)])
def test_a_ray_that_is_started_here_has_the_gpus_and_cores_of_this_machine(pool, gpu, actors):
    ray = StandIn()
    found = pool(ray, 0, gpu, address=None)
    assert found[:2] == (actors, False) and ray.begun == [("auto", None), ("local", actors + 2)]


def test_a_cluster_that_is_named_and_not_there_is_told(pool, monkeypatch):
    ray = StandIn()
    ray.init = lambda *_, **__: (_ for _ in ()).throw(ConnectionError("nobody answers"))
    with pytest.raises(BatchError, match="No Ray at far:6379: nobody answers. Check RAY_ADDRESS, or unset it; if the"):
        pool(ray, 2, address="far:6379")


@pytest.fixture
def done(tmp_path, monkeypatch):
    """What becomes of three shards, by number, with a stand-in."""

    def found(ray: StandIn, pool: Pool) -> dict[int, str | None]:
        for name, module in (("ray", ray), ("ray.data", ray.data)):
            monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setattr(ray_pool, "_pool", lambda actors, gpu: pool)
        shards = [InputShard(number, "tar", (f"{number}.tar",)) for number in range(3)]
        reports = list(ray_pool.work_on_ray(LightJob(str(tmp_path)), shards))
        assert ray.ended == 1
        return {report.number: report.fault for report in reports}

    return found


def test_what_a_lost_node_had_is_done_in_a_second_round(done):
    ray = StandIn(lost=[{1, 2}, set()])
    assert done(ray, Pool(8, True, {})) == {0: None, 1: None, 2: None}
    assert [(pool["min_size"], pool["max_size"]) for pool in ray.pools] == [(1, 3), (1, 2)]


def test_a_shard_that_is_lost_twice_is_given_up(done):
    ray = StandIn(lost=[{1, 2}, {1}])
    found = done(ray, Pool(2, False, {}))
    assert found.pop(1).startswith("shard 1: its actors died 6 times; ") and found == {0: None, 2: None}
    assert [(pool["min_size"], pool["max_size"]) for pool in ray.pools] == [(2, 2), (2, 2)]


def test_a_pool_on_a_cluster_grows_while_each_actor_has_the_one_task_that_it_may_have(done):
    ray = StandIn(lost=[set()])
    done(ray, Pool(8, True, {}))
    [pool] = ray.pools
    assert ray.context.autoscaling_config.actor_pool_util_upscaling_threshold <= pool["max_tasks_in_flight_per_actor"]
