"""Passages of an actor's clips: who is in them, what is kept, and what is measured anew."""

from pathlib import Path

import pytest
import soundfile
import torch
from Small.passages import LONGEST, passages, write_passages

from speechbrain_xser.data.manifest import Utterance, read_manifest, write_manifest

CLIPS = [
    Utterance(f"{actor}-{emotion}-{n}", "a.wav", speaker=actor, emotion=emotion, duration=2.5)
    for actor in "ab"
    for emotion in ("sad", "angry")
    for n in range(21)
]


def test_each_passage_is_one_voice_in_one_emotion_and_no_clip_is_heard_twice():
    planned = passages(CLIPS, seed=1)
    assert all(len({(clip.speaker, clip.emotion) for clip in passage.clips}) == 1 for passage in planned)
    used = [clip.id for passage in planned for clip in passage.clips]
    assert len(used) == len(set(used)) >= len(CLIPS) - 4  # one of each group may be left
    assert {len(passage.clips) for passage in planned} >= {2, 3, 4, 5}
    assert planned == passages(CLIPS, seed=1) != passages(CLIPS, seed=2)


def test_no_passage_is_longer_than_the_limit_unless_two_clips_are():
    long = [clip._replace(duration=5.0) for clip in CLIPS]
    assert {len(passage.clips) for passage in passages(long, seed=1)} == {2, 3}
    assert LONGEST == 16.0
    assert {len(one.clips) for one in passages([clip._replace(duration=12.0) for clip in CLIPS], seed=1)} == {2}


@pytest.fixture
def manifest(tmp_path) -> Path:
    rows = []
    for number in range(3):
        wave = 0.2 * torch.sin(2 * torch.pi * 200 * torch.arange(16000) / 16000)
        soundfile.write(tmp_path / f"{number}.wav", torch.cat([torch.zeros(4000), wave]).numpy(), 16000)
        row = Utterance(str(number), f"{{data_root}}/{number}.wav", speaker="a", transcript="go home", emotion="sad")
        rows.append(row._replace(gender="male", pitch="low", volume="low", speed="slow", split="train", duration=1.25))
    write_manifest(tmp_path / "train.jsonl", rows)
    return tmp_path / "train.jsonl"


def test_a_passage_has_the_words_and_labels_of_its_clips_and_nothing_that_was_measured_on_one(manifest):
    [row] = read_manifest(write_passages(manifest, manifest.parent / "out", manifest.parent, workers=1))
    count = row.transcript.count("Go home.")
    assert row.transcript == " ".join(["Go home."] * count)
    assert (row.speaker, row.emotion, row.gender, row.split) == ("a", "sad", "male", "train")
    assert (row.pitch, row.volume, row.speed, row.caption) == (None, None, None, None)
    # without the quarter of a second before each, which margins of 0.03 s replace, and with pauses
    assert count * 1.0 + (count - 1) * 0.15 <= row.duration <= count * 1.06 + (count - 1) * 0.7
    assert row.duration == pytest.approx(soundfile.info(row.wav).duration, abs=1e-4)


def test_what_is_there_stays_and_what_is_lost_comes_back_the_same(manifest):
    [row] = read_manifest(write_passages(manifest, manifest.parent / "out", manifest.parent, workers=1))
    path = Path(row.wav)
    sound, time = path.read_bytes(), path.stat().st_mtime_ns
    write_passages(manifest, manifest.parent / "out", manifest.parent, workers=1)
    assert path.stat().st_mtime_ns == time
    path.write_bytes(b"")  # what a full disk leaves
    write_passages(manifest, manifest.parent / "out", manifest.parent, workers=1)
    assert path.read_bytes() == sound
