"""A folder of rows has every clip once, whatever was stopped, refused or killed on the way."""

import errno
import json
import os
import shutil
import sys
import tempfile

import fsspec
import pyarrow
import pytest
from pyarrow import parquet

from speechbrain_xser import packaged_model
from speechbrain_xser.batch import row_folder
from speechbrain_xser.batch.batch_run import BatchCounts, Share, run_batch
from speechbrain_xser.batch.explain_work import ExplainWork
from speechbrain_xser.batch.process_pool import work_in_processes
from speechbrain_xser.batch.shard_worker import ShardWorker
from speechbrain_xser.errors import BatchError
from tests.batch.clips import content, samples, write_clips
from tests.batch.naming import NameWork, in_this_process


@pytest.fixture
def folder(tmp_path):
    write_clips(tmp_path / "clips", 7)
    (tmp_path / "clips" / "03.flac").write_bytes(content(3)[:400])
    return tmp_path / "clips"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "rows.parquet"


def run(folder, out, work=NameWork(), engine=in_this_process, jobs=1, **options):  # noqa: B008
    return run_batch([str(folder)], str(out), work, engine, jobs, 2, **options)


def check(out) -> None:
    """Seven rows in order, one of them an error."""
    rows = parquet.read_table(out).to_pylist()
    assert [row["samples"] for row in rows] == [None if number == 3 else samples(number) for number in range(7)]
    assert [row["id"][-7:] for row in rows] == [f"{number:02d}.flac" for number in range(7)]
    assert "03.flac" in rows[3]["error"]


def test_a_run_writes_every_clip_and_tells_of_its_progress(folder, out):
    told = []
    assert run(folder, out, tell=told.append) == BatchCounts(4, 0, 7, 1)
    check(out)
    assert told[0] == "4 shards, 0 of them done before."
    assert told[-1].startswith("4 of 4 shards, 7 clips in ") and told[-1].endswith(" a second), 1 not readable")
    assert run(folder, out) == BatchCounts(4, 4, 0, 0)


def twice(job, shards):
    """An engine whose workers are killed between a shard's rows and its report."""
    worker = ShardWorker(job)
    for shard in shards:
        worker(shard)
        worker.make_rows, made = None, worker.make_rows
        yield worker(shard)
        worker.make_rows = made


def test_clips_whose_report_was_lost_are_counted_and_not_done_again(folder, out):
    assert run(folder, out, engine=twice) == BatchCounts(4, 0, 7, 1)
    check(out)


def test_fields_that_do_not_fit_are_told_once_and_counted(tmp_path, out):
    for name in "ab":
        fields = {"audio": [content(1)] * 3, "emotion": [3, None, 4], "age": ["old", "child", None]}
        parquet.write_table(pyarrow.table(fields), tmp_path / f"{name}.parquet")
    told, sources = [], [str(tmp_path / f"{name}.parquet") for name in "ab"]
    found = run_batch(sources, str(out), NameWork(), in_this_process, 1, tell=told.append)
    assert found == BatchCounts(2, 0, 6, 0, left_out=6)
    [line] = [line for line in told if line.startswith("left out, as every field that does not fit: ")]
    assert "a.parquet#0" in line and "emotion is 3" in line
    assert told[-1].endswith("0 not readable, 6 fields left out")


def test_what_a_killed_actor_left_in_the_temporary_folder_goes_with_the_next_shard(folder, out, tmp_path, monkeypatch):
    (tmp_path / "temporary" / "xser-shard-old").mkdir(parents=True)
    for name in (".lock", "shard.tar"):
        (tmp_path / "temporary" / "xser-shard-old" / name).touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    run(folder, out)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_rows_below_their_own_inputs_are_none_of_them(folder):
    out = folder / "rows.parquet"
    assert run(folder, out, share=Share(1, 2)).clips == 4
    assert run(folder, out) == BatchCounts(4, 2, 3, 1)
    check(out)


def test_shares_of_an_array_make_the_whole_together(folder, out):
    assert run(folder, out, share=Share(2, 3)) == BatchCounts(1, 0, 2, 1)
    assert sorted(path.name for path in out.glob("*.parquet")) == ["part-000001.parquet"]
    assert run(folder, out, share=Share(1, 3)).shards + run(folder, out, share=Share(3, 3)).shards == 3
    check(out)


def test_rows_of_other_inputs_or_settings_are_refused_and_kept(folder, out):
    run(folder, out, share=Share(1, 4))
    with pytest.raises(BatchError, match="rows.parquet: begun with other values of work. Give the same command"):
        run(folder, out, NameWork(deadly="nothing"))
    write_clips(folder, 9)
    with pytest.raises(BatchError, match="other values of inputs, shards"):
        run(folder, out)
    assert len(list(out.glob("*.parquet"))) == 1


@pytest.mark.parametrize("damage", [b"{", b"[]"])
def test_a_damaged_plan_is_told(folder, out, damage):
    run(folder, out)
    (out / "_plan.json").write_bytes(damage)
    with pytest.raises(BatchError, match="_plan.json: damaged"):
        run(folder, out)


def test_rows_without_a_plan_are_not_added_to(folder, out):
    run(folder, out)
    (out / "_plan.json").unlink()
    with pytest.raises(BatchError, match="has rows, but no _plan.json"):
        run(folder, out)


def test_a_full_disk_of_one_shard_leaves_the_others_and_the_next_run_does_it(folder, out, monkeypatch):
    write, failed = row_folder.write_file, []

    def full(path, content):
        if path.endswith("part-000002.parquet") and not failed:
            failed.append(path)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        write(path, content)

    monkeypatch.setattr(row_folder, "write_file", full)
    told = []
    with pytest.raises(BatchError, match=r"1 of 4 shards failed and have no rows; the first: shard 2: .*No space left"):
        run(folder, out, tell=told.append)
    assert any(line.startswith("failed: shard 2: ") for line in told)
    assert sorted(path.name for path in out.glob("part*")) == [f"part-00000{number}.parquet" for number in (0, 1, 3)]
    assert run(folder, out) == BatchCounts(4, 3, 2, 0)
    check(out)


def test_a_model_that_cannot_be_loaded_ends_the_run_with_its_own_words(folder, out):
    with pytest.raises(BatchError, match="^no such model$"):
        run(folder, out, NameWork(refused=True))


def test_a_folder_that_cannot_be_made_is_told(folder, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BatchError, match="file/rows.parquet: Not a directory. Name a folder"):
        run(folder, tmp_path / "file" / "rows.parquet")


def test_rows_go_into_the_cloud_and_on_from_there():
    fs = fsspec.filesystem("memory")
    fs.pipe({f"/in/{n:02d}.flac": content(n)[: 400 if n == 3 else None] for n in range(7)})
    try:
        assert run("memory://in", "memory://out/rows.parquet", share=Share(1, 2)).clips == 4
        assert run("memory://in", "memory://out/rows.parquet") == BatchCounts(4, 2, 3, 1)
        parts = [parquet.read_table(fs.open(name)).to_pylist() for name in sorted(fs.glob("/out/rows.parquet/part*"))]
        assert [row["samples"] for part in parts for row in part] == [None if n == 3 else samples(n) for n in range(7)]
    finally:
        fs.store.clear()
        fs.pseudo_dirs[:] = [""]


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_every_clip_is_there_once(folder, out, tmp_path):
    once = NameWork("05.flac", str(tmp_path / "died"))
    assert run(folder, out, once, work_in_processes) == BatchCounts(4, 0, 7, 1)
    assert (tmp_path / "died").exists()
    check(out)


def test_other_weights_of_a_model_or_another_data_folder_are_refused(folder, out):
    run(folder, out)
    with pytest.raises(BatchError, match="begun with other values of weights"):
        run(folder, out, NameWork(weights="retrained"))
    with pytest.raises(BatchError, match="begun with other values of data_folder"):
        run(folder, out, data_folder="/elsewhere")


def test_the_fingerprint_of_a_model_changes_with_its_files(tmp_path):
    model = shutil.copytree(packaged_model("tiny"), tmp_path / "model")
    before = ExplainWork(str(model)).fingerprint()
    assert ExplainWork(str(model)).fingerprint() == before == ExplainWork("tiny").fingerprint()
    (model / "settings.json").write_text((model / "settings.json").read_text() + " ")
    assert ExplainWork(str(model)).fingerprint() != before


def test_of_two_runs_that_begin_at_once_the_later_one_is_refused(out, monkeypatch):
    """The second reads no plan, and then the first writes its own."""
    write = row_folder.write_new

    def late(path, content):
        monkeypatch.setattr(row_folder, "write_new", write)
        row_folder.RowFolder(str(out)).create({"work": "first"})
        write(path, content)

    monkeypatch.setattr(row_folder, "write_new", late)
    with pytest.raises(BatchError, match="begun with other values of work"):
        row_folder.RowFolder(str(out)).create({"work": "second"})
    assert json.loads((out / "_plan.json").read_bytes()) == {"work": "first"}
    assert [path.name for path in out.iterdir()] == ["_plan.json"]


def test_rows_that_could_not_be_written_are_told_before_anything_is_loaded(folder, out, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BatchError, match=r"pip install 'speechbrain_xser\[parquet\]'"):
        run(folder, out, ExplainWork("tiny"))
    assert not out.exists()


def test_a_library_that_fails_while_a_model_is_loaded_ends_the_run_with_the_errors_type(folder, out, monkeypatch):
    loads = []

    def load(*_):
        loads.append(1)
        raise ValueError("no such\n type")

    monkeypatch.setattr(NameWork, "load", load)
    with pytest.raises(BatchError, match="^ValueError: no such type$"):
        run(folder, out)
    assert len(loads) == 1
