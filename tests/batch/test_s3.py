"""Clips and rows in a bucket, with a stand-in for S3 on this machine."""

import fsspec
import pytest
from moto.server import ThreadedMotoServer
from pyarrow import parquet

from speechbrain_xser.batch.batch_run import BatchCounts, Share, run_batch
from speechbrain_xser.batch.input_shards import plan_shards
from speechbrain_xser.errors import BatchError
from tests.batch.clips import content, samples
from tests.batch.naming import NameWork, in_this_process


@pytest.fixture
def bucket(monkeypatch):
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    fs = fsspec.filesystem("s3", skip_instance_cache=True)
    fs.mkdir("bucket")
    yield fs
    fs.rm("bucket", recursive=True)
    server.stop()


def test_clips_of_a_bucket_become_rows_in_it_and_a_second_run_goes_on(bucket):
    for number in range(5):
        bucket.pipe_file(f"bucket/in/{number}.flac", content(number)[: 400 if number == 3 else None])
    given = (["s3://bucket/in"], "s3://bucket/rows.parquet", NameWork(), in_this_process, 1, 2)
    assert run_batch(*given, share=Share(2, 2)) == BatchCounts(1, 0, 2, 1)
    assert run_batch(*given) == BatchCounts(3, 1, 3, 0)
    bucket.invalidate_cache()
    parts = [bucket.open(name) for name in sorted(bucket.glob("bucket/rows.parquet/part*"))]
    rows = [row for part in parts for row in parquet.read_table(part).to_pylist()]
    assert [row["samples"] for row in rows] == [samples(0), samples(1), samples(2), None, samples(4)]
    assert [row["id"] for row in rows] == [f"s3://bucket/in/{number}.flac" for number in range(5)]
    changed = plan_shards(["s3://bucket/in"]).digest
    bucket.pipe_file("bucket/in/0.flac", content(9)[: len(content(0))])
    assert plan_shards(["s3://bucket/in"]).digest != changed


@pytest.mark.parametrize("source", ["s3://nowhere/in", "s3://bucket/nothing.tar"])
def test_what_is_not_in_the_store_is_told(bucket, source):
    with pytest.raises(BatchError, match=rf"^{source}: "):
        plan_shards([source])
