"""The clips of a shard, from every kind of input; what is cut off is told, and the clips before it stay."""

import io
import json
import shutil
import tarfile

import fsspec
import pyarrow
import pytest
import webdataset
from pyarrow import parquet

from speechbrain_xser.batch import parquet_clips as module
from speechbrain_xser.batch import storage
from speechbrain_xser.batch.input_shards import plan_shards
from speechbrain_xser.batch.shard_clips import shard_clips
from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.manifest import Utterance, write_manifest
from speechbrain_xser.data.packing import pack
from speechbrain_xser.data.remote import LIMITS
from speechbrain_xser.errors import BatchError
from tests.batch.clips import content, samples, write_clips
from tests.local_server import local_server, send


@pytest.fixture
def read(tmp_path):
    def clips(source, data_folder=None):
        (tmp_path / "copies").mkdir(exist_ok=True)
        shards = plan_shards([str(source)], 100).shards
        return [one for shard in shards for one in shard_clips(shard, tmp_path / "copies", data_folder)]

    return clips


def lengths(found) -> list[int]:
    return [len(load_audio(one.clip.path, one.clip.start, one.clip.stop)) for one in found if one.clip.fault is None]


@pytest.fixture
def tar(tmp_path):
    write_clips(tmp_path / "clips", 4)
    rows = [Utterance(f"u{n}", f"clips/{n:02d}.flac", transcript=f"word {n}", emotion="sad") for n in range(4)]
    write_manifest(tmp_path / "all.jsonl", rows)
    pack({"all": tmp_path / "all.jsonl"}, tmp_path / "packed", workers=1)
    return tmp_path / "packed" / "all-000000.tar"


def test_a_packed_tar_gives_its_utterances(tar, read):
    found = read(tar)
    assert [(one.utterance.id, one.utterance.transcript, one.utterance.emotion) for one in found] == [
        (f"u{n}", f"word {n}", "sad") for n in range(4)
    ]
    assert lengths(found) == list(map(samples, range(4)))


def foreign_tar(path, members: dict[str, bytes]):
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            (member := tarfile.TarInfo(name)).size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def test_a_foreign_tar_has_the_clips_that_the_webdataset_library_finds(tmp_path, read):
    members = {"a/x.one.flac": content(1), "a/x.txt": b"hello\n"}
    members |= {"b.json": b'{"text": "so", "url": 3}', "b.wav": content(2)}
    path = foreign_tar(tmp_path / "x.tar", {**members, "c.txt": b"alone", "d.flac": content(0), "d.json": b"{"})
    found = read(path)
    theirs = [sample["__key__"] for sample in webdataset.WebDataset(str(path), shardshuffle=False)]
    assert [one.utterance.id for one in found] == theirs == ["a/x", "b", "c", "d"]
    assert [one.utterance.transcript for one in found] == ["hello", "so", None, None]
    assert lengths(found) == [samples(1), samples(2)]
    assert [one.clip.fault and one.clip.fault.partition(": ")[2][:19] for one in found] == [
        None,
        None,
        "no sound in the tar",
        "d.json cannot be re",
    ]


@pytest.mark.parametrize("blocks", [0, 1, 2, 5])
def test_a_tar_that_is_cut_gives_the_clips_before_and_a_row_for_the_rest(tar, read, blocks):
    """Behind the third clip's JSON; in a header; in a sound: an end of zeros is missing in each case."""
    with tarfile.open(tar) as whole:
        fourth = whole.getmembers()[6].offset
    tar.write_bytes(tar.read_bytes()[: fourth + 512 * blocks - (100 if blocks == 1 else 0)])
    *whole, last = read(tar)
    assert lengths(whole) == list(map(samples, range(3))) and [one.utterance.id for one in whole] == ["u0", "u1", "u2"]
    assert last.clip.fault.startswith(f"{tar}: cut off or no tar, after 3 clips")


@pytest.mark.parametrize("name", ["a.tar", "a.parquet"])
@pytest.mark.parametrize("data", [b"", b"PAR1 and no more than that", bytes(600)])
def test_what_is_no_tar_and_no_parquet_file_is_a_row(tmp_path, read, name, data):
    (tmp_path / name).write_bytes(data)
    found = read(tmp_path / name)
    assert [one.clip.fault is not None for one in found] == ([] if (name, data) == ("a.tar", bytes(600)) else [True])


def test_rows_of_parquet_hold_bytes_or_paths(tmp_path, read):
    write_clips(tmp_path, 2)
    sounds = [{"bytes": content(5), "path": "x.flac"}]
    sounds += [{"bytes": None, "path": path} for path in ("01.flac", None)]
    known = {"id": ["a", "b", "c"], "text": ["one", "two", None], "start": [0.05, 0, None]}
    table = pyarrow.table({**known, "audio": sounds})
    parquet.write_table(table, tmp_path / "a.parquet")
    found = read(tmp_path / "a.parquet")
    told = [(one.utterance.id, one.utterance.transcript) for one in found]
    assert told == [("a", "one"), ("b", "two"), ("a.parquet#2", None)]
    assert lengths(found) == [samples(5) - 800, samples(1)]
    assert "holds no sound" in found[2].clip.fault


def test_a_parquet_file_that_is_cut_is_a_row(tmp_path, read):
    path = tmp_path / "a.parquet"
    parquet.write_table(pyarrow.table({"audio": [content(1)] * 9}), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    [found] = read(path)
    assert found.clip.fault.startswith(f"{path}: cut off or no Parquet file, after 0 rows")


def test_a_wrong_line_of_a_manifest_is_a_row_and_the_others_stay(tmp_path, read):
    write_clips(tmp_path, 2)
    rows = [{"id": "a", "wav": "00.flac", "stop": 0.05}, None, {"id": "b"}, {"id": "c", "wav": "{data_root}/01.flac"}]
    lines = [json.dumps(row) if row else "" for row in rows]
    (tmp_path / "a.jsonl").write_text("\n".join(lines) + "\n\xe9", encoding="latin-1")
    found = read(tmp_path / "a.jsonl", str(tmp_path))
    assert lengths(found) == [800, samples(1)]
    faults = [one.clip.fault for one in found if one.clip.fault]
    assert faults[0].startswith(f"{tmp_path}/a.jsonl, line 3: ") and "missing fields ['wav']" in faults[0]
    assert faults[1] == f"{tmp_path}/a.jsonl, line 5: not UTF-8. Save it as UTF-8."


@pytest.fixture
def cloud():
    """A store in memory."""
    fs = fsspec.filesystem("memory")
    yield fs
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]


def test_a_manifest_in_the_cloud_names_clips_and_parts_of_archives_there(tar, cloud, read):
    cloud.pipe({f"/c/{n}.flac": content(n) for n in range(2)} | {"/c/p.tar": tar.read_bytes()})
    with tarfile.open(tar) as whole:
        part = whole.getmembers()[4]
    address = f"memory://c/p.tar#{part.offset_data}+{part.size}"
    rows = [("a", "0.flac"), ("b", "memory://c/1.flac"), ("c", address), ("d", "none.flac")]
    cloud.pipe("/c/all.jsonl", "\n".join(json.dumps({"id": id, "wav": wav}) for id, wav in rows).encode())
    found = read("memory://c/all.jsonl")
    assert lengths(found) == [samples(0), samples(1), samples(2)]
    assert found[3].clip.fault.startswith("memory://c/none.flac: no such file")
    assert sorted(one.utterance.id for one in read("memory://c") if one.clip.fault is None) == [
        "memory://c/0.flac", "memory://c/1.flac", "u0", "u1", "u2", "u3",
    ]  # fmt: skip


def test_a_store_that_fails_and_a_full_disk_are_no_rows_since_another_try_may_go_better(cloud, read, monkeypatch):
    cloud.pipe("/c/a.flac", content(1))

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(cloud), "get_file", fail)
    with pytest.raises(BatchError, match=r"memory:///?c/a.flac: No space left on device"):
        read("memory://c")


def test_a_full_disk_while_sound_of_parquet_is_copied_is_no_row(tmp_path, read, monkeypatch):
    parquet.write_table(pyarrow.table({"audio": [content(1)]}), tmp_path / "a.parquet")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.Path, "write_bytes", fail)
    with pytest.raises(OSError, match="No space"):
        read(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("code", "kind", "told"),
    [(404, "audio/wav", "answers 404"), (410, "audio/wav", "answers 410"), (200, "text/html", "is a web page")],
)
def test_a_clip_that_a_server_does_not_have_is_a_row(tmp_path, read, code, kind, told):
    with local_server(lambda request: send(request, b"none", code, Content_Type=kind)) as server:
        (tmp_path / "a.jsonl").write_text(json.dumps({"id": "a", "wav": f"{server.address}/a.wav"}))
        [found] = read(tmp_path / "a.jsonl")
    assert told in found.clip.fault


@pytest.mark.parametrize("answer", [{"code": 503}, {"code": 429}, {"Content_Length": 9}])
def test_a_server_that_fails_is_no_row_since_another_try_may_go_better(tmp_path, read, answer):
    with local_server(lambda request: send(request, b"some", **{"Content_Type": "audio/wav"} | answer)) as server:
        (tmp_path / "a.jsonl").write_text(json.dumps({"id": "a", "wav": f"{server.address}/a.wav"}))
        with pytest.raises(BatchError, match=f"{server.address}/a.wav: "):
            read(tmp_path / "a.jsonl")
    with pytest.raises(BatchError, match="cannot be fetched"):  # and nobody is there any more
        read(tmp_path / "a.jsonl")


def test_text_and_sound_that_say_to_be_large_are_rows_and_are_not_read(tmp_path, read):
    """A member of nothing but a hole of 6 GB, as GNU tar --sparse writes it, and a text of more than a mebibyte."""
    hole = {"GNU.sparse.map": f"{6 << 30},0", "GNU.sparse.size": str(6 << 30), "GNU.sparse.name": ""}
    with tarfile.open(path := tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for name, data, headers in [
            ("a.json", b"", hole),
            ("a.wav", content(1), {}),
            ("b.flac", content(2), {}),
            ("c.txt", bytes(1 << 21), {}),
            ("c.flac", content(1), {}),
            ("d.flac", b"", hole),
        ]:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            member.pax_headers = headers and headers | {"GNU.sparse.name": name}
            tar.addfile(member, io.BytesIO(data))
    with tarfile.open(path) as tar:
        assert [member.size for member in tar if member.issparse()] == [6 << 30] * 2
    found = read(path)
    assert [one.clip.fault and one.clip.fault.rpartition("/")[2] for one in found] == [
        "a: a.json has holes or more than 1048576 bytes. Pack it again.",
        None,
        "c: c.txt has holes or more than 1048576 bytes. Pack it again.",
        "d: d.flac has holes. Pack it again, without --sparse.",
    ]


@pytest.mark.parametrize("headers", [{"GNU.sparse.map": "x,y"}, {"size": "-7"}, {"size": "-9999"}, {"size": "9" * 30}])
def test_a_tar_with_a_senseless_header_is_a_row_and_the_clips_before_stay(tmp_path, read, headers):
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for name, more in (("a.flac", {}), ("b.flac", headers), ("c.flac", {})):
            member = tarfile.TarInfo(name)
            member.size, member.pax_headers = len(content(1)), more
            tar.addfile(member, io.BytesIO(content(1)))
    found = read(tmp_path / "a.tar")
    assert found[0].clip.fault is None and "a.tar: cut off or no tar, after " in found[-1].clip.fault


def test_only_columns_that_are_needed_are_read(tmp_path, read):
    """Python has no date so late, and no column that nobody needs may cost the clips."""
    late = pyarrow.array([1 << 60], pyarrow.timestamp("us"))
    parquet.write_table(pyarrow.table({"audio": [content(1)], "when": late}), tmp_path / "a.parquet")
    assert lengths(read(tmp_path / "a.parquet")) == [samples(1)]


def test_fields_that_do_not_fit_are_left_out(tmp_path, read):
    table = {"audio": [content(1)] * 2, "emotion": [3, 4], "gender": ["male", "male"], "start": [0.05, 9.0]}
    parquet.write_table(pyarrow.table({**table, "stop": [0.1, 8.0]}), tmp_path / "a.parquet")
    good, bad = read(tmp_path / "a.parquet")
    assert good.clip.fault is None and good.clip.start == 0.05
    assert (good.utterance.emotion, good.utterance.gender) == (None, "male")
    assert len(good.left_out) == 1 and "a.parquet#0" in good.left_out[0] and "emotion is 3" in good.left_out[0]
    assert "a.parquet#1" in bad.clip.fault


@pytest.mark.parametrize("wav", ["/etc/hostname", "file:///etc/hostname", "ftp://a.example/a.wav", "nothing://a/b"])
def test_data_of_a_store_sends_nobody_elsewhere(cloud, read, wav):
    cloud.pipe("/c/a.flac", content(1))
    lines = [json.dumps({"id": name, "wav": place}) for name, place in (("a", "a.flac"), ("b", wav))]
    cloud.pipe("/c/all.jsonl", "\n".join(lines).encode())
    good, bad = read("memory://c/all.jsonl")
    assert lengths([good]) == [samples(1)]
    assert "is neither in the store of memory://c/all.jsonl nor an http(s) address" in bad.clip.fault
    if wav.startswith("/"):
        return
    parquet.write_table(pyarrow.table({"audio": [wav]}), file := io.BytesIO())
    cloud.pipe("/c/all.parquet", file.getvalue())
    [bad] = read("memory://c/all.parquet")
    assert "is neither in the store of" in bad.clip.fault


def test_a_manifest_here_sends_nobody_to_a_store_and_a_data_folder_is_the_persons_own_word(tmp_path, cloud, read):
    cloud.pipe("/c/a.flac", content(1))
    (tmp_path / "a.jsonl").write_text('{"id": "a", "wav": "memory://c/a.flac"}')
    assert "is neither on this machine nor an http(s) address" in read(tmp_path / "a.jsonl")[0].clip.fault
    (tmp_path / "a.jsonl").write_text('{"id": "a", "wav": "{data_root}/a.flac"}')
    assert lengths(read(tmp_path / "a.jsonl", "memory://c")) == [samples(1)]
    [path] = write_clips(tmp_path / "d", 1)
    places = (f"{{data_root}}/{path.name}", True), ("../a.jsonl", False), ("{data_root}/../a.jsonl", False)
    for wav, allowed in places:
        cloud.pipe("/c/all.jsonl", json.dumps({"id": "a", "wav": wav}).encode())
        assert [one.clip.fault is None for one in read("memory://c/all.jsonl", str(path.parent))] == [allowed]


def test_a_clip_that_may_not_be_read_is_a_row(cloud, read, monkeypatch):
    cloud.pipe("/c/a.flac", content(1))

    def fail(*_):
        raise PermissionError("Forbidden")

    monkeypatch.setattr(type(cloud), "get_file", fail)
    assert read("memory://c")[0].clip.fault.startswith("memory://c/a.flac: may not be read (Forbidden)")


def test_a_clip_has_the_limits_of_a_clip_and_a_shard_those_of_a_shard(tar, tmp_path, read, monkeypatch):
    fetches = []

    def fetch(address, path, limits):
        fetches.append((address.rpartition("/")[2], limits))
        shutil.copy(tar, path)

    monkeypatch.setattr(storage, "fetch", fetch)
    (tmp_path / "a.jsonl").write_text('{"id": "a", "wav": "https://a.example/a.wav"}')
    read(tmp_path / "a.jsonl")
    read("https://a.example/a.tar")
    assert fetches == [("a.wav", LIMITS), ("a.tar", storage.LARGE)]
