"""A shard that kills every actor of Ray that does it is given up and named, and takes no other with it."""

import re

import pytest

from speechbrain_xser.batch import ray_pool
from speechbrain_xser.batch.batch_run import run_batch
from speechbrain_xser.errors import BatchError
from tests.batch.clips import write_clips
from tests.batch.naming import NameWork

pytest.importorskip("ray")
pytestmark = pytest.mark.scale
DEATHS = 6


def test_a_shard_that_kills_its_actors_is_given_up_and_named_and_all_others_are_done(tmp_path, monkeypatch):
    """One actor, so that other shards wait for the one that dies."""
    monkeypatch.setenv("RAY_ADDRESS", "local")
    paths, out = write_clips(tmp_path / "clips", 7), tmp_path / "rows.parquet"
    run = ([str(tmp_path / "clips")], str(out))
    deadly = NameWork("05.flac", deaths=str(tmp_path / "deaths"))

    named = f"1 of 4 shards failed and have no rows; the first: shard 2: its actors died {DEATHS} times; "
    with pytest.raises(BatchError, match=re.escape(named) + f".*It begins with {re.escape(str(paths[4]))}"):
        run_batch(*run, deadly, ray_pool.work_on_ray, 1, 2)

    assert len((tmp_path / "deaths").read_bytes()) == DEATHS
    assert sorted(path.name for path in out.glob("part*")) == [f"part-00000{number}.parquet" for number in (0, 1, 3)]
