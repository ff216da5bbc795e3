"""Inputs are cut into the same shards whoever cuts them, and every clip is in one of them."""

from pathlib import Path

import pytest

from speechbrain_xser.batch.input_shards import plan_shards
from speechbrain_xser.batch.shard_clips import shard_clips
from speechbrain_xser.errors import BatchError
from tests.batch.clips import write_clips
from tests.local_server import local_server, send


def test_a_folder_is_cut_into_pieces_and_each_tar_and_parquet_file_is_a_shard(tmp_path):
    write_clips(tmp_path / "b", 5)
    for name in ("a.tar", "c.parquet", "train.jsonl", "notes.txt", ".d.tar"):
        (tmp_path / name).touch()
    found = [(shard.number, shard.kind, [Path(path).name for path in shard.paths]) for shard in plan(tmp_path, 2)]
    assert found == [
        (0, "tar", ["a.tar"]),
        (1, "sounds", ["00.flac", "01.flac"]),
        (2, "sounds", ["02.flac", "03.flac"]),
        (3, "sounds", ["04.flac"]),
        (4, "parquet", ["c.parquet"]),
    ]


def plan(source, clips):
    return plan_shards([str(source)], clips).shards


def test_the_pieces_of_a_manifest_are_its_lines(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"id": "\xc3\xa9"}\n\n{"id": "b"}\r\n{"id": "c"}')
    pieces = [path.read_bytes()[shard.start : shard.stop] for shard in plan(path, 2)]
    assert pieces == [b'{"id": "\xc3\xa9"}\n\n', b'{"id": "b"}\r\n{"id": "c"}']
    assert [shard.line for shard in plan(path, 2)] == [1, 3]


def test_a_changed_file_or_another_size_of_shards_is_another_plan(tmp_path):
    paths = write_clips(tmp_path, 3)
    before = plan_shards([str(tmp_path)], 2).digest
    assert plan_shards([str(tmp_path)], 2).digest == before != plan_shards([str(tmp_path)], 3).digest
    paths[1].write_bytes(paths[2].read_bytes())
    assert plan_shards([str(tmp_path)], 2).digest != before


def test_a_manifest_on_the_web_is_fetched_once_and_its_content_decides_the_plan(tmp_path):
    lines = [b'{"id": "a", "wav": "none.wav"}\n', b'{"id": "b", "wav": "nil.wav"}\n']

    def answer(request):
        send(request, *((b"", 404) if request.path.endswith(".wav") else (b"".join(lines),)))

    with local_server(answer) as server:
        plan = plan_shards([f"{server.address}/a.jsonl"], 1)
        found = [one.utterance.id for shard in plan.shards for one in shard_clips(shard, tmp_path)]
        assert found == ["a", "b"]
        assert server.asked == ["GET /a.jsonl", "GET /none.wav", "GET /nil.wav"]
        lines.reverse()
        assert plan_shards([f"{server.address}/a.jsonl"], 1).digest != plan.digest
        lines.reverse()
        assert plan_shards([f"{server.address}/a.jsonl"], 1) == plan


@pytest.mark.parametrize("name", ["nowhere", "nowhere.tar", "empty", "memory://nowhere", "nothing://a/b.tar"])
def test_a_source_without_clips_is_told_by_its_name(tmp_path, name):
    (tmp_path / "empty").mkdir()
    source = name if "://" in name else str(tmp_path / name)
    with pytest.raises(BatchError, match=rf"^{source}: "):
        plan_shards([source])
