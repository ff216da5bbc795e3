"""Rows of a large manifest in a mapped file: those of the list, written once, and made again if not whole."""

import json
import multiprocessing
import os
import pickle

import pytest
from torch.utils.data import DataLoader

from speechbrain_xser.data import mapped_rows
from speechbrain_xser.data.manifest import Utterance, read_manifest, write_manifest
from speechbrain_xser.data.mapped_rows import MappedRows, rows_of
from speechbrain_xser.data.pipeline import collate, dataset, items_of
from speechbrain_xser.data.row_text import row_text, utterance_of
from speechbrain_xser.errors import ManifestError
from speechbrain_xser.training.loaders import digest_of_clips, seconds_of_clips

ROWS = [
    Utterance("ä 1", "a.wav", duration=2, speaker="x", transcript="One\ttwo\n", emotion="happy", emphasis=("One", "")),
    Utterance('b"', "{data_root}/b.wav", start=0.1, stop=1.30000000000000004, transcript="a\x1fb", emphasis=()),
    Utterance("c\x1f\x1e", "c.wav", duration=1e-7, pitch="low", emphasis=("\x1e", "=")),
    Utterance("[d", "d.wav", stop=3, emphasis=("go\x1e",), caption="🙂 = \x1e"),
    Utterance("e", "e.wav", duration=1e22, tone="= =", recognized="\u2028"),
]


@pytest.fixture
def manifest(tmp_path, monkeypatch):
    monkeypatch.setattr(mapped_rows, "LEAST_BYTES", 0)
    write_manifest(tmp_path / "train.jsonl", ROWS)
    return tmp_path / "train.jsonl"


@pytest.fixture
def written(monkeypatch):
    """The files of rows that this process writes."""
    paths, write = [], mapped_rows.write_rows
    monkeypatch.setattr(mapped_rows, "write_rows", lambda path, *rest: paths.append(path) or write(path, *rest))
    return paths


@pytest.mark.parametrize("row", [*ROWS, Utterance("f", "f.wav", **dict.fromkeys(Utterance._fields[2:]))])
def test_a_row_is_read_as_it_was_written_to_the_type_of_its_numbers(row):
    found = utterance_of(row_text(row))
    assert found == row and list(map(type, found)) == list(map(type, row))
    assert json.dumps(found) == json.dumps(row)


def test_mapped_rows_are_those_of_the_list(manifest):
    rows, listed = rows_of(manifest), read_manifest(manifest)
    assert isinstance(rows, MappedRows) and list(rows) == listed
    assert len(rows) == 5 and rows[-1] == listed[-1]
    assert list(rows.ids) == [row.id for row in listed]
    assert [rows.places[row.id] for row in listed] == list(range(5))
    with pytest.raises(IndexError):
        rows[5]
    with pytest.raises(KeyError):
        rows.places["z"]
    assert "z" not in rows.places


def test_ids_with_one_digest_are_told_apart(manifest, monkeypatch):
    monkeypatch.setattr(mapped_rows, "id_digest", lambda id: 7)
    assert [rows_of(manifest).places[row.id] for row in ROWS] == list(range(5))
    with pytest.raises(KeyError):
        rows_of(manifest).places["z"]


def test_a_training_set_of_mapped_rows_has_the_digest_of_the_list_without_reading_a_row(manifest, monkeypatch):
    listed = DataLoader(dataset(read_manifest(manifest), "/x", None))
    mapped = DataLoader(dataset(manifest, "/x", None))
    other = DataLoader(dataset(read_manifest(manifest)[::-1], "/x", None))
    monkeypatch.setattr(MappedRows, "_text", None)
    assert digest_of_clips(mapped) == digest_of_clips(listed) != digest_of_clips(other)


def outcome(manifest, **options):
    try:
        clips = dataset(manifest, **options)
    except ManifestError as error:
        return str(error)
    assert clips[1]["id"] == clips.data_ids[1]
    return list(clips.data_ids), list(items_of(clips)), seconds_of_clips(clips), collate([clips[0]]).faults


@pytest.mark.parametrize(
    "options",
    [
        {"data_folder": "/x", "max_seconds": None},
        {"data_folder": "/x", "max_seconds": 30.0},  # too long: row e
        {"data_folder": "/x", "max_seconds": 2.5},  # too long: row d, before row e
        {"data_folder": "/x", "max_seconds": 1.9},  # too long: row a, before all
        {"max_seconds": 1.9},  # row a, before row b needs a folder
        {"max_seconds": 30.0},
        {"data_folder": "/x", "max_seconds": 2.0, "skip_long": True},
    ],
)
def test_a_data_set_of_mapped_rows_is_that_of_the_list_and_has_its_errors(manifest, monkeypatch, options):
    mapped = outcome(manifest, **options)
    monkeypatch.setattr(mapped_rows, "LEAST_BYTES", 1 << 24)
    assert outcome(manifest, **options) == mapped


def test_a_length_that_only_the_header_states_is_read_from_it(manifest):
    write_manifest(manifest, [Utterance("a", "missing.wav"), Utterance("b", "b.wav", duration=2.0)])
    assert seconds_of_clips(dataset(manifest)) == [0.0, 2.0]


def test_rows_are_written_once_and_again_after_the_manifest_has_changed(manifest, written):
    rows_of(manifest), rows_of(manifest)
    assert len(written) == 1

    state = os.stat(manifest)
    text = manifest.read_text("utf-8").replace('"pitch": "low"', '"pitch": "high"').replace('"e.wav"', '"ewav"')
    manifest.write_text(text, "utf-8")
    os.utime(manifest, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert os.stat(manifest).st_size == state.st_size
    assert rows_of(manifest)[2].pitch == "high" and len(written) == 2


def test_rows_of_other_rules_are_written_again(manifest, written, monkeypatch):
    rows_of(manifest)
    monkeypatch.setattr(mapped_rows, "RULES", "others")
    rows_of(manifest)
    assert len(written) == 2


@pytest.mark.parametrize("size", [0, 1, 15, 100, -1, -16, -100])
def test_a_torn_file_of_rows_is_made_again(manifest, written, size):
    listed = list(rows_of(manifest))
    path = manifest.with_name("train.jsonl.rows")
    os.truncate(path, size % path.stat().st_size)
    assert list(rows_of(manifest)) == listed and len(written) == 2


def test_a_file_of_rows_that_lacks_a_piece_before_its_end_is_made_again(manifest, written):
    listed = list(rows_of(manifest))
    path = manifest.with_name("train.jsonl.rows")
    content = path.read_bytes()
    path.write_bytes(content[:8] + content[16:])
    assert list(rows_of(manifest)) == listed and len(written) == 2


def test_a_damaged_row_names_the_file_to_delete(manifest):
    rows_of(manifest)
    path = manifest.with_name("train.jsonl.rows")
    with open(path, "r+b") as file:
        file.write(bytes(40))
    with pytest.raises(ManifestError, match="train.jsonl.rows: row 1 is damaged. Delete this file: it is made again."):
        rows_of(manifest)[0]


def test_where_nothing_can_be_written_the_manifest_is_read_into_memory(manifest, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mapped_rows, "write_rows", full)
    assert rows_of(manifest) == read_manifest(manifest)


def test_a_wrong_line_has_the_list_s_error_and_leaves_no_rows(manifest):
    with open(manifest, "a") as file:
        file.write('{"id": "e", "wav": "e.wav"}\n')
    with pytest.raises(ManifestError, match="id 'e' occurs twice"):
        rows_of(manifest)
    assert not manifest.with_name("train.jsonl.rows").exists()


def test_a_small_manifest_has_no_file_beside_it(manifest, monkeypatch):
    monkeypatch.setattr(mapped_rows, "LEAST_BYTES", manifest.stat().st_size + 1)
    assert rows_of(manifest) == read_manifest(manifest)
    assert [path.name for path in manifest.parent.iterdir()] == ["train.jsonl"]


def test_a_pickled_data_set_maps_the_same_file_and_carries_no_rows(manifest):
    clips = pickle.loads(content := pickle.dumps(rows_of(manifest)))
    assert list(clips) == read_manifest(manifest) and len(content) < 500


def count_writes(manifest, together, counts):
    mapped_rows.LEAST_BYTES = 0
    written, write = [], mapped_rows.write_rows
    mapped_rows.write_rows = lambda *given: written.append(given) or write(*given)
    together.wait()
    rows = rows_of(manifest)
    counts.put((len(written), len(rows)))


def test_of_processes_that_start_together_one_writes_and_the_others_wait(tmp_path):
    write_manifest(tmp_path / "train.jsonl", (Utterance(f"c{n}", "c.wav", duration=1.0) for n in range(3000)))
    context = multiprocessing.get_context("fork")
    together, counts = context.Barrier(3), context.Queue()
    processes = [context.Process(target=count_writes, args=(tmp_path / "train.jsonl", together, counts)) for _ in "abc"]
    for process in processes:
        process.start()
    found = sorted(counts.get(timeout=60) for _ in processes)
    for process in processes:
        process.join(60)
    assert found == [(0, 3000), (0, 3000), (1, 3000)]
