"""Files far away: their addresses, what is an input, and that a file is there whole or not at all."""

import errno
import os
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

from speechbrain_xser.batch.storage import find_files, read_file, write_file
from speechbrain_xser.errors import BatchError
from tests.batch.clips import write_clips


def test_files_of_a_file_address_are_found_under_their_own(tmp_path):
    paths = write_clips(tmp_path / "clips", 2)
    assert [file.path for file in find_files(f"file://{tmp_path}/clips/", ())] == [f"file://{path}" for path in paths]
    assert [file.path for file in find_files(f"file://{paths[1]}", ())] == [f"file://{paths[1]}"]


class Far(LocalFileSystem):
    """The machine's disk behind a host, as in sftp and hdfs addresses."""

    protocol = "far"
    cachable = False

    @classmethod
    def _strip_protocol(cls, path):
        return "/" + path.partition("://")[2].partition("/")[2] if "://" in path else path


@pytest.fixture
def far():
    fsspec.register_implementation("far", Far, clobber=True)
    return "far://me@host:22"


def test_the_host_of_an_address_stays(tmp_path, far):
    [path] = write_clips(tmp_path, 1)
    [found] = find_files(f"{far}{tmp_path}", ())
    assert found.path == f"{far}{path}"
    assert read_file(found.path) == path.read_bytes()


def test_a_file_that_changed_within_its_length_has_another_state(tmp_path, far):
    [path] = write_clips(tmp_path, 1)
    before = find_files(f"{far}{tmp_path}", ())
    assert find_files(f"{far}{tmp_path}", ()) == before
    os.utime(path, (1, 1))
    assert find_files(f"{far}{tmp_path}", ()) != before


@pytest.mark.parametrize("address", ["", "file://"])
def test_folders_of_rows_are_no_inputs(tmp_path, address):
    paths = write_clips(tmp_path, 2)
    for name in ("rows.parquet/part-000000.parquet", "rows.parquet/_plan.json", "more/a.parquet", "rows.parquet.tar"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [file.path.removeprefix(address) for file in find_files(f"{address}{tmp_path}", (".parquet", ".tar"))]
    expected = [*map(str, paths), str(tmp_path / "more/a.parquet"), str(tmp_path / "rows.parquet.tar")]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("scheme", ["file://", "far://host"])
def test_a_write_that_breaks_off_leaves_no_file(tmp_path, far, monkeypatch, scheme):
    write_file(f"{scheme}{tmp_path}/rows/a.parquet", b"whole")
    assert [path.read_bytes() for path in (tmp_path / "rows").iterdir()] == [b"whole"]

    def half(self, path, value, *_, **__):
        Path(path).write_bytes(value[:2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    monkeypatch.setattr(LocalFileSystem, "pipe_file", half)
    with pytest.raises(BatchError, match="rows/b.parquet: No space left"):
        write_file(f"{scheme}{tmp_path}/rows/b.parquet", b"other")
    assert [path.name for path in (tmp_path / "rows").iterdir()] == ["a.parquet"]
