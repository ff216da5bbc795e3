"""From a manifest to batches: padding, lengths, long clips and unreadable clips."""

import logging
import pickle

import numpy
import pytest
import soundfile
import torch

from speechbrain_xser.data import FaultCounter, Utterance, collate, dataset, write_manifest
from speechbrain_xser.errors import ManifestError, TrainingError

RATE = 16000


def clip(folder, name, seconds, rate=RATE):
    soundfile.write(folder / f"{name}.wav", numpy.resize([0.25, -0.25], round(seconds * rate)), rate, subtype="FLOAT")
    return Utterance(name, f"{{data_root}}/{name}.wav", duration=seconds, emotion="sad")


def test_items_are_id_waveform_and_utterance(tmp_path):
    utterance = clip(tmp_path, "a", 0.5)
    item = dataset([utterance], tmp_path)[0]
    assert set(item) == {"id", "wav", "utterance"}
    assert (item["id"], item["utterance"], item["wav"].shape) == ("a", utterance, (8000,))


def test_relative_paths_start_from_the_manifests_folder(tmp_path):
    clip(tmp_path, "a", 0.5)
    write_manifest(tmp_path / "m.jsonl", [Utterance("a", "a.wav")])
    assert len(dataset(tmp_path / "m.jsonl")[0]["wav"]) == 8000


def test_a_data_root_without_a_data_folder_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="utterance 'a': .* needs a data folder"):
        dataset([clip(tmp_path, "a", 0.5)])


def test_a_segment_is_read_alone(tmp_path):
    clip(tmp_path, "a", 2.0)
    item = dataset([Utterance("a", "a.wav", start=0.5, stop=0.75)], tmp_path)[0]
    assert len(item["wav"]) == 4000


def test_a_batch_is_padded_with_zeros_and_knows_its_samples(tmp_path):
    clips = dataset([clip(tmp_path, "a", 0.1), clip(tmp_path, "b", 0.25)], tmp_path)
    batch = collate([clips[0], clips[1]])
    assert batch.ids == ("a", "b")
    assert batch.samples.tolist() == [1600, 4000] and batch.samples.dtype == torch.int64
    assert batch.wavs[0, :1600].abs().eq(0.25).all() and batch.wavs[0, 1600:].eq(0).all()


def test_moving_a_batch_keeps_its_types_and_everything_else(tmp_path):
    batch = collate([dataset([clip(tmp_path, "a", 0.1)], tmp_path)[0]])
    moved = batch.to("meta")
    assert (moved.wavs.device.type, moved.wavs.dtype, moved.samples.dtype) == ("meta", torch.float32, torch.int64)
    assert moved.ids == batch.ids and moved.utterances == batch.utterances


def test_a_clip_of_two_minutes_is_refused_at_the_manifest_by_what_it_says(tmp_path):
    with pytest.raises(ManifestError, match="utterance 'long': 120.00 s long, expected at most 30 s"):
        dataset([Utterance("long", "long.wav", duration=120.0)], tmp_path)


def test_a_clip_of_two_minutes_is_refused_at_the_manifest_by_its_header(tmp_path):
    clip(tmp_path, "long", 120.0, rate=8000)
    with pytest.raises(ManifestError, match="utterance 'long': 120.00 s long"):
        dataset([Utterance("long", "long.wav")], tmp_path)


def test_a_segment_of_a_long_file_is_not_long(tmp_path):
    clip(tmp_path, "long", 120.0, rate=8000)
    assert len(dataset([Utterance("a", "long.wav", start=60.0, stop=61.0)], tmp_path)[0]["wav"]) == RATE


def test_a_clip_that_is_longer_than_its_manifest_says_is_a_fault(tmp_path):
    clip(tmp_path, "long", 2.0)
    clips = dataset([Utterance("a", "long.wav", duration=0.5)], tmp_path, max_seconds=1.0)
    assert "2.00 s long" in collate([clips[0]]).faults[0]


def bad_clips(folder):
    good = clip(folder, "good", 0.5)
    (folder / "zero.wav").touch()
    (folder / "text.wav").write_text("no audio")
    soundfile.write(folder / "header.wav", numpy.zeros(0), RATE)
    content = (folder / "good.wav").read_bytes()
    (folder / "cut.wav").write_bytes(content[: len(content) // 2])
    names = ("missing", "zero", "text", "header", "cut")
    return [good, *(Utterance(name, f"{name}.wav", duration=0.5) for name in names)]


@pytest.mark.parametrize("workers", [0, 1])
def test_unreadable_clips_are_skipped_and_named_also_by_loader_workers(tmp_path, workers):
    clips = dataset(bad_clips(tmp_path), tmp_path)
    loader = torch.utils.data.DataLoader(clips, batch_size=6, collate_fn=collate, num_workers=workers)
    (batch,) = loader
    assert batch.ids == ("good",) and batch.wavs.shape == (1, 8000)
    assert [fault.split(":")[0] for fault in batch.faults] == [
        f"utterance '{name}'" for name in ("missing", "zero", "text", "header", "cut")
    ]


def test_a_data_set_can_be_sent_to_spawned_loader_workers(tmp_path):
    clips = dataset([Utterance("a", "gone.wav", duration=1.0)], tmp_path)
    assert str(pickle.loads(pickle.dumps(clips))[0]["wav"]) == str(clips[0]["wav"])


def test_a_manifest_without_utterances_is_refused(tmp_path):
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(ManifestError, match="empty.jsonl: no utterances"):
        dataset(tmp_path / "empty.jsonl")


def test_a_batch_of_only_unreadable_clips_is_empty(tmp_path):
    batch = collate([dataset([Utterance("a", "gone.wav", duration=1.0)], tmp_path)[0]])
    assert batch.ids == () and batch.wavs.shape == (0, 0) and batch.samples.shape == (0,)
    assert len(batch.faults) == 1


def test_one_unreadable_clip_never_stops_a_run_and_is_named_once(caplog):
    counter = FaultCounter(total=8)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            counter.add(["utterance 'a': gone"])
    assert counter.count == 1
    assert [record.message for record in caplog.records] == ["skipped utterance 'a': gone"]


def test_more_than_the_limit_stops_the_run_by_name():
    counter = FaultCounter(total=300, limit=0.01)
    counter.add(f"utterance '{n}': gone" for n in range(3))
    with pytest.raises(TrainingError, match="4 of 300 clips cannot be read; at most 3 are .*utterance '0': gone"):
        counter.add(["utterance 'x': gone"])
