"""A kept fingerprint is that of the files as they are now, whatever has happened to them or to where it is kept."""

import json
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from speechbrain_xser.utils import kept_fingerprints
from speechbrain_xser.utils.kept_fingerprints import kept_fingerprint
from speechbrain_xser.utils.sources import fingerprint

PAST = 1_700_000_000


@pytest.fixture
def backbone(tmp_path, monkeypatch):
    """A large backbone of long ago, with a user's cache of its own."""
    folder = tmp_path / "backbone"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    monkeypatch.setenv("XSER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(kept_fingerprints, "LEAST_BYTES", 1)
    monkeypatch.setattr(kept_fingerprints, "SETTLED_SECONDS", -1)
    return folder


@pytest.fixture
def read(monkeypatch):
    """How often a backbone is read as a whole."""
    calls = []
    monkeypatch.setattr(kept_fingerprints, "fingerprint", lambda path: calls.append(path) or fingerprint(path))
    return calls


def kept_file(backbone):
    [path] = (backbone.parent / "cache" / "fingerprints").iterdir()
    return path


def test_a_backbone_is_read_once(backbone, read):
    assert {kept_fingerprint(backbone) for _ in range(3)} == {fingerprint(backbone)}
    assert len(read) == 1


def test_another_name_of_the_folder_is_the_same_backbone(backbone, read):
    kept_fingerprint(backbone)
    (backbone.parent / "link").symlink_to(backbone)
    kept_fingerprint(backbone.parent / "link")
    assert len(read) == 1


@pytest.fixture
def stored(backbone):
    """A GGUF file of the hub's cache, which is named by a hash; links have the names."""
    path = backbone.parent / "blobs" / "0a1b2c"
    path.parent.mkdir()
    path.write_bytes(b"GGUFweights")
    return path


def test_a_gguf_file_of_the_hubs_cache_is_read_once(stored, read):
    link = stored.parent.parent / "model.gguf"
    link.symlink_to(stored)
    assert [kept_fingerprint(link) for _ in range(2)] == [fingerprint(link)] * 2
    assert len(read) == 1


def test_names_of_one_gguf_file_have_the_fingerprints_of_their_names(stored):
    named = stored.rename(stored.with_name("real.gguf"))
    links = [stored.with_name(name) for name in ("a.gguf", "b.gguf")]
    for link in links:
        link.symlink_to(named)
    assert [kept_fingerprint(path) for path in [*links, named]] == [fingerprint(path) for path in [*links, named]]


def test_a_folder_through_a_link_has_the_gguf_files_of_the_folder(stored, read):
    named = stored.rename(stored.with_name("model.gguf"))
    (stored.parent.parent / "link").symlink_to(stored.parent)
    assert kept_fingerprint(named) == kept_fingerprint(stored.parent.parent / "link" / "model.gguf")
    assert len(read) == 1


def test_another_file_of_the_same_size_and_times_is_read(backbone, read):
    kept_fingerprint(backbone)
    path = kept_file(backbone)
    kept = json.loads(path.read_text())
    number = backbone.joinpath("model.safetensors").stat().st_ino
    kept["files"] = [[part + 1 if part == number else part for part in state] for state in kept["files"]]
    path.write_text(json.dumps(kept))
    kept_fingerprint(backbone)
    assert len(read) == 2


def test_a_fingerprint_of_another_format_is_made_again(backbone, read, monkeypatch):
    kept_fingerprint(backbone)
    monkeypatch.setattr(kept_fingerprints, "FORMAT", 0)
    kept_fingerprint(backbone)
    assert len(read) == 2


def same_size_and_time(folder):
    """Other bytes of the same length, with the time of writing put back."""
    path = folder / "model.safetensors"
    before = path.stat()
    path.write_bytes(b"WEIGHTS")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def another_time(folder):
    (folder / "model.safetensors").write_bytes(b"Weights")
    os.utime(folder / "model.safetensors", (PAST, PAST))


@pytest.mark.parametrize(
    "change",
    [
        same_size_and_time,
        another_time,
        lambda folder: (folder / "config.json").write_text('{"a": 1}'),
        lambda folder: (folder / "tokenizer.json").write_text("{}"),
        lambda folder: (folder / "model.safetensors").rename(folder / "other.safetensors"),
    ],
)
def test_a_changed_backbone_is_read_again(backbone, change):
    before = kept_fingerprint(backbone)
    change(backbone)
    assert kept_fingerprint(backbone) == fingerprint(backbone) != before


@pytest.mark.parametrize("torn", [b"", b'{"files": [', b"\xff\xfe", b"[]", b'{"files": 1, "fingerprint": 2}', b"null"])
def test_a_torn_file_is_made_again(backbone, read, torn):
    expected = kept_fingerprint(backbone)
    kept_file(backbone).write_bytes(torn)
    assert [kept_fingerprint(backbone) for _ in range(2)] == [expected] * 2
    assert len(read) == 2


def test_a_fingerprint_that_is_none_is_not_taken(backbone):
    kept_fingerprint(backbone)
    path = kept_file(backbone)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"fingerprint": "anything"}))
    assert kept_fingerprint(backbone) == fingerprint(backbone)


def test_a_cache_that_cannot_be_written_changes_nothing(backbone, read):
    (backbone.parent / "cache").write_text("a file")
    assert {kept_fingerprint(backbone) for _ in range(2)} == {fingerprint(backbone)}
    assert len(read) == 2


def test_a_file_that_has_just_changed_is_not_kept(backbone, read, monkeypatch):
    monkeypatch.setattr(kept_fingerprints, "SETTLED_SECONDS", 3600)
    kept_fingerprint(backbone)
    kept_fingerprint(backbone)
    assert len(read) == 2


def test_a_small_backbone_is_not_kept(backbone, read, monkeypatch):
    monkeypatch.setattr(kept_fingerprints, "LEAST_BYTES", 1 << 20)
    assert kept_fingerprint(backbone) == fingerprint(backbone)
    assert not (backbone.parent / "cache").exists()


@pytest.mark.slow
def test_two_processes_at_once_find_the_same(backbone):
    with ProcessPoolExecutor(2, get_context("fork")) as pool:
        found = set(pool.map(kept_fingerprint, [backbone] * 20))
    assert found == {fingerprint(backbone)}
    assert json.loads(kept_file(backbone).read_text())["fingerprint"] in found
