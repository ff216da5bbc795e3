"""The data doctor finds every planted fault, and nothing in healthy speech."""

import json
import os

import numpy as np
import pytest
import soundfile

from speechbrain_xser.data.corpus_facts import Figures
from speechbrain_xser.data.doctor import SERIOUS, check
from tests.genuine import DATA


def speech(folder, name, seed=0, seconds=1.0, rate=16000, channels=1, gain=0.1, subtype="PCM_16"):
    noise = np.random.default_rng(seed).uniform(-1, 1, (round(seconds * rate), channels)) * gain
    soundfile.write(folder / f"{name}.wav", noise, rate, subtype=subtype)
    return {"id": name, "wav": f"{name}.wav", "speaker": name, "transcript": "hello", "emotion": "sad"}


def manifest(folder, name, *records):
    (folder / f"{name}.jsonl").write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    return folder / f"{name}.jsonl"


def kinds(report):
    return [finding.kind for finding in report.findings]


def test_healthy_clips_have_no_finding(tmp_path):
    path = manifest(tmp_path, "train", speech(tmp_path, "a", 1), speech(tmp_path, "b", 2))
    report = check(path, workers=1)
    assert (report.healthy, report.findings, report.clips) == (True, (), 2)
    assert report.hours == pytest.approx(2 / 3600)


def missing(folder):
    return {"id": "x", "wav": "gone.wav", "transcript": "hi"}


def unreadable(folder):
    record = speech(folder, "x")
    os.truncate(folder / "x.wav", 3000)
    return record


PLANTED = {
    "missing": missing,
    "unreadable": unreadable,
    "silent": lambda folder: speech(folder, "x", gain=0.0),
    "too short": lambda folder: speech(folder, "x", seconds=0.2),
    "too long": lambda folder: speech(folder, "x", seconds=30.5),
    "other sample rate": lambda folder: speech(folder, "x", rate=8000),
    "several channels": lambda folder: speech(folder, "x", channels=2),
    "clipped": lambda folder: speech(folder, "x", gain=50.0),
    "empty transcript": lambda folder: {**speech(folder, "x"), "transcript": " "},
    "label outside its set": lambda folder: {**speech(folder, "x"), "emotion": "bored"},
    "wrong record": lambda folder: {**speech(folder, "x"), "colour": "red"},
    "duplicate id": lambda folder: {**speech(folder, "x", 5), "id": "healthy"},
    "duplicate audio": lambda folder: {**speech(folder, "x", 9), "speaker": "healthy"},
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_fault_is_found_and_nothing_else(tmp_path, kind):
    path = manifest(tmp_path, "train", speech(tmp_path, "healthy", 9), PLANTED[kind](tmp_path))
    report = check(path, workers=1)
    assert kinds(report) == [kind]
    assert report.healthy != SERIOUS[kind]
    assert "healthy" in report.findings[0].clips[0] or "x" in report.findings[0].clips[0]


def test_a_speaker_and_a_sound_on_two_sides_are_found(tmp_path):
    train = manifest(tmp_path, "train", {**speech(tmp_path, "a", 1), "speaker": "s"})
    test = manifest(tmp_path, "test", {**speech(tmp_path, "b", 1), "speaker": "s"})
    report = check([train, test], workers=1)
    assert kinds(report) == ["speaker in two splits", "audio in two splits"]
    assert report.findings[0].clips == ("s: test, train",)


def test_one_sound_in_two_formats_is_one_sound(tmp_path):
    record = speech(tmp_path, "a", 1)
    soundfile.write(tmp_path / "b.flac", *soundfile.read(tmp_path / "a.wav", dtype="int16"))
    path = manifest(tmp_path, "train", record, {**record, "id": "b", "wav": "b.flac"})
    assert kinds(check(path, workers=1)) == ["duplicate audio"]


def test_counts_are_held_against_the_published_ones(tmp_path):
    path = manifest(tmp_path, "train", speech(tmp_path, "a", 1))
    report = check(path, published=Figures("IEMOCAP", 5531, {"neutral": 1708}), workers=1)
    assert "IEMOCAP: 1 clips, published 5531" in report.findings[0].clips


@pytest.mark.slow
def test_the_report_is_the_same_on_several_processes(tmp_path):
    records = [speech(tmp_path, f"c{index}", index % 3) for index in range(6)]
    path = manifest(tmp_path, "train", *records)
    assert check(path, workers=2) == check(path, workers=1)


@pytest.mark.skipif(not (DATA / "ravdess").is_dir(), reason="needs RAVDESS: set XSER_DATA to a folder with ravdess/")
def test_the_genuine_twin_of_ravdess_is_found(tmp_path):
    names = ("03-01-03-01-02-01-07", "03-01-03-01-02-02-07", "03-01-01-01-01-01-07")
    records = [{"id": name, "wav": f"ravdess/Actor_07/{name}.flac", "transcript": "x"} for name in names]
    report = check(manifest(tmp_path, "train", *records), data_folder=DATA, workers=1)
    assert kinds(report) == ["duplicate audio"]
    assert report.findings[0].clips == (f"{names[0]} (train) = {names[1]} (train)",)
