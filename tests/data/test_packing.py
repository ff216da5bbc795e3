"""Shards: the same samples as the files, readable by webdataset, and safe to interrupt."""

import json
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest
import soundfile
import torch

from speechbrain_xser.data.audio import load_audio, seconds_of
from speechbrain_xser.data.doctor import check
from speechbrain_xser.data.manifest import Utterance, read_manifest, write_manifest
from speechbrain_xser.data.packing import pack
from speechbrain_xser.data.pipeline import collate, dataset, resolve
from speechbrain_xser.errors import AudioError, TrainingError
from tests.genuine import DATA

ROOT = Path(__file__).parents[2]
SPEECH = DATA / "cremad" / "AudioWAV"
needs_speech = pytest.mark.skipif(not SPEECH.is_dir(), reason="CREMA-D is not here: set XSER_DATA")


@pytest.fixture
def corpus(tmp_path):
    """Seven clips of 16-bit noise, the last two segments of one file, in two manifests."""
    noise = torch.Generator().manual_seed(1)
    for name in "abcdef":
        samples = torch.randint(-32768, 32768, (8000,), generator=noise, dtype=torch.int16)
        soundfile.write(tmp_path / f"{name}.wav", samples.numpy(), 16000)
    clips = [Utterance(name, f"{name}.wav", transcript=name, emphasis=(name,)) for name in "abcde"]
    parts = [Utterance(f"f{n}", "f.wav", start=n / 4, stop=(n + 1) / 4, duration=0.25) for n in range(2)]
    write_manifest(tmp_path / "train.jsonl", [*clips, *parts])
    write_manifest(tmp_path / "valid.jsonl", clips[:2])
    return tmp_path


def packed(corpus, **options):
    manifests = {name: corpus / f"{name}.jsonl" for name in ("train", "valid")}
    return pack(manifests, corpus / "packed", clips_per_shard=3, **{"workers": 1, **options})


def test_packed_clips_have_the_files_samples_bit_by_bit(corpus):
    paths = packed(corpus)
    before, after = dataset(corpus / "train.jsonl"), dataset(paths["train"], corpus / "packed")
    assert [item["id"] for item in before] == [item["id"] for item in after]
    assert all(torch.equal(a["wav"], b["wav"]) for a, b in zip(before, after, strict=True))


def test_an_utterance_keeps_its_fields_and_becomes_a_whole_clip(corpus):
    clip = read_manifest(packed(corpus)["train"])[6]
    assert (clip.id, clip.start, clip.stop, clip.duration, clip.split) == ("f1", None, None, 0.25, "train")
    assert read_manifest(corpus / "packed" / "train.jsonl")[0].emphasis == ("a",)


def test_a_shard_holds_the_given_number_of_clips(corpus):
    packed(corpus)
    names = sorted(path.name for path in (corpus / "packed").glob("*.tar"))
    assert names == ["train-000000.tar", "train-000001.tar", "train-000002.tar", "valid-000000.tar"]


def test_shards_by_duration_hold_at_least_so_many_seconds_but_the_last(corpus):
    """Clips of 0.5, 0.5, 0.5, 0.5, 0.5, 0.25 and 0.25 s, the first five without a stated length."""
    paths = packed(corpus, seconds_per_shard=0.9)
    shards = [clip.wav.partition("#")[0][-10:-4] for clip in read_manifest(paths["train"])]
    assert shards == ["000000"] * 2 + ["000001"] * 2 + ["000002"] * 3


def test_webdataset_streams_the_shards(corpus):
    webdataset = pytest.importorskip("webdataset")
    packed(corpus)
    urls = sorted(str(path) for path in (corpus / "packed").glob("train-*.tar"))
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode())
    assert [sample["json"]["id"] for sample in samples] == ["a", "b", "c", "d", "e", "f0", "f1"]
    with open(corpus / "first.flac", "wb") as file:
        (raw,) = (s for s in webdataset.WebDataset(urls, shardshuffle=False) if s["__key__"] == "00000000")
        file.write(raw["flac"])
    assert torch.equal(load_audio(corpus / "first.flac"), load_audio(corpus / "a.wav"))


def test_a_batch_of_packed_clips_goes_through_loader_workers(corpus):
    clips = dataset(packed(corpus)["train"], corpus / "packed")
    loader = torch.utils.data.DataLoader(clips, batch_size=7, collate_fn=collate, num_workers=1)
    (batch,) = loader
    assert batch.samples.tolist() == [8000] * 5 + [4000] * 2 and not batch.faults


def test_the_doctor_reads_packed_clips(corpus):
    report = check([packed(corpus)["train"]], corpus / "packed")
    assert report.clips == 7 and report.hours == pytest.approx(3.0 / 3600)
    assert not {"missing", "unreadable"} & {finding.kind for finding in report.findings}


def test_packing_again_does_nothing(corpus, monkeypatch):
    paths = packed(corpus)
    monkeypatch.setattr("speechbrain_xser.data.packing._shards", None)
    assert packed(corpus) == paths


def test_whole_shards_are_kept_and_damaged_ones_rebuilt(corpus):
    packed(corpus)
    folder = corpus / "packed"
    written = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.tar")}
    (folder / "prepared.json").unlink()
    (folder / "train-000001.tar").write_bytes((folder / "train-000001.tar").read_bytes()[:4000])
    packed(corpus)
    again = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.tar")}
    assert [name for name in sorted(again) if again[name] != written[name]] == ["train-000001.tar"]


def test_a_changed_manifest_packs_its_shards_again(corpus):
    packed(corpus)
    clips = [Utterance("a", "b.wav", transcript="another word")]
    write_manifest(corpus / "valid.jsonl", clips)
    (clip,) = read_manifest(packed(corpus)["valid"])
    assert clip.transcript == "another word"
    assert torch.equal(load_audio(resolve(clip, corpus / "packed")), load_audio(corpus / "b.wav"))


def test_a_recording_that_was_replaced_is_packed_again_though_manifest_and_size_are_the_same(corpus):
    packed(corpus)
    before = {path.name: path.stat().st_mtime_ns for path in (corpus / "packed").glob("*.tar")}
    size = (corpus / "d.wav").stat().st_size
    (corpus / "d.wav").write_bytes((corpus / "f.wav").read_bytes())
    assert (corpus / "d.wav").stat().st_size == size
    clip = read_manifest(packed(corpus)["train"])[3]
    assert torch.equal(load_audio(resolve(clip, corpus / "packed")), load_audio(corpus / "f.wav"))
    after = {path.name: path.stat().st_mtime_ns for path in (corpus / "packed").glob("*.tar")}
    assert [name for name in sorted(after) if after[name] != before[name]] == ["train-000001.tar"]


def test_an_unreadable_clip_is_left_out_and_two_of_a_few_stop_it(corpus):
    (corpus / "a.wav").write_bytes(b"")
    (corpus / "b.wav").write_bytes(b"no sound")
    with pytest.raises(TrainingError, match="a.wav"):
        packed(corpus)


def test_a_cut_shard_names_the_clip(corpus):
    clip = read_manifest(packed(corpus)["valid"])[1]
    path = corpus / "packed" / "valid-000000.tar"
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(AudioError, match=r"valid-000000.tar#\d+\+\d+: truncated"):
        load_audio(resolve(clip, corpus / "packed"))
    with pytest.raises(AudioError, match="No such file"):
        seconds_of(corpus / "packed" / "nothing.tar#512+100")


def test_a_killed_run_leaves_no_half_shard_under_a_shards_name(corpus, python):
    script = (
        "import os, signal\n"
        "from speechbrain_xser.data import packing\n"
        "calls = []\n"
        "real = packing._flac\n"
        "def flac(wave):\n"
        "    calls.append(1)\n"
        "    if len(calls) == 5:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(wave)\n"
        "packing._flac = flac\n"
        f"packing.pack({{'train': {str(corpus / 'train.jsonl')!r}}}, {str(corpus / 'packed')!r}, "
        "clips_per_shard=3, workers=1)\n"
    )
    assert subprocess.run([python, "-c", script], cwd=ROOT).returncode == -signal.SIGKILL
    assert [path.name for path in (corpus / "packed").glob("*.tar")] == ["train-000000.tar"]
    first = (corpus / "packed" / "train-000000.tar").stat().st_mtime_ns
    assert len(read_manifest(packed(corpus)["train"])) == 7
    assert (corpus / "packed" / "train-000000.tar").stat().st_mtime_ns == first


@needs_speech
def test_real_speech_in_opus_is_packed_within_half_a_step_of_16_bits(tmp_path):
    paths = sorted(SPEECH.iterdir())[:4]
    write_manifest(tmp_path / "train.jsonl", [Utterance(path.stem, str(path)) for path in paths])
    manifest = pack({"train": tmp_path / "train.jsonl"}, tmp_path / "packed", workers=1)["train"]
    for clip, path in zip(read_manifest(manifest), paths, strict=True):
        difference = load_audio(resolve(clip, tmp_path / "packed")) - load_audio(path)
        assert difference.abs().max() <= 0.5 / 32768
    with tarfile.open(tmp_path / "packed" / "train-000000.tar") as tar:
        assert json.load(tar.extractfile("00000003.json"))["id"] == paths[3].stem
