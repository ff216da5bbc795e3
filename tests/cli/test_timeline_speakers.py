"""``xser timeline --speakers``: who speaks, in every format, and what is said where something is missing."""

import csv
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import soundfile
import srt
import torch
import webvtt
from click.testing import CliRunner

from speechbrain_xser.cli import timeline
from speechbrain_xser.cli.main import xser
from speechbrain_xser.errors import SettingsError
from tests.timeline.conversation import PitchEncoder, write_conversation
from tests.timeline.stub import RATE, Loudness, Stub
from tests.warmed import Process

ROOT = Path(__file__).parents[2]
TURNS = (300, 600, 300, 600, 600)
NAMES = ["speaker 1", "speaker 2", "speaker 1", "speaker 2", "speaker 2"]


@pytest.fixture(autouse=True)
def encoder(monkeypatch):
    """Replaces the model, the detector and the speaker encoder by arithmetic; gives the last."""
    made = PitchEncoder()
    monkeypatch.setattr(timeline, "load_recognizer", lambda *_, **__: Stub())
    monkeypatch.setattr("speechbrain_xser.timeline.moment_stream.SpeechDetector", Loudness)
    monkeypatch.setattr("speechbrain_xser.lobes.speaker_encoder.speaker_encoder", lambda folder=None: made)
    return made


@pytest.fixture
def talk(tmp_path):
    return write_conversation(tmp_path / "talk.flac", *TURNS)


def run(*arguments):
    return CliRunner().invoke(xser, ["timeline", *map(str, arguments)])


def test_every_format_names_the_speakers(talk, tmp_path):
    names = ["a.json", "a.jsonl", "a.csv", "a.srt", "a.vtt", "a.rttm", "a.html"]
    done = run(talk, "--speakers", *(part for name in names for part in ("--out", tmp_path / name)))
    assert done.exit_code == 0 and "5 moments, 12.2 of 16.4 s are speech, 2 speakers; 5 were" in done.stdout
    written = {name.partition(".")[2]: (tmp_path / name).read_text(encoding="utf-8") for name in names}
    whole = json.loads(written["json"])
    assert [moment["speaker"] for moment in whole["moments"]] == NAMES
    assert whole["speakers"] == ["speaker 1", "speaker 2"] and whole["speaker_encoder"] == "pitch"
    assert [json.loads(line)["speaker"] for line in written["jsonl"].splitlines()] == NAMES
    assert [row["speaker"] for row in csv.DictReader(written["csv"].splitlines())] == NAMES
    assert [cue.content[:16] for cue in srt.parse(written["srt"])] == [f"{name}: [sad " for name in NAMES]
    assert [cue.voice for cue in webvtt.from_string(written["vtt"])] == NAMES
    assert [cue.text[:16] for cue in webvtt.from_string(written["vtt"])] == [f"{name}: [sad " for name in NAMES]
    fields = [line.split() for line in written["rttm"].splitlines()]
    assert [(len(row), row[7], row[8]) for row in fields] == [(10, name.replace(" ", "_"), "<NA>") for name in NAMES]
    assert re.findall(r'class="xser-speaker">(.*?)<', written["html"]) == NAMES


def test_without_the_option_nobody_is_named_and_no_encoder_is_asked(talk, tmp_path, encoder):
    run(talk, "--out", tmp_path / "a.json", "--out", tmp_path / "a.csv", "--out", tmp_path / "a.html")
    assert "speaker" not in (tmp_path / "a.json").read_text() + (tmp_path / "a.csv").read_text()
    assert 'class="xser-lane' not in (tmp_path / "a.html").read_text() and encoder.heard == 0


@pytest.mark.parametrize("shown, found", [("jsonl", NAMES), ("table", NAMES)])
def test_without_a_file_moments_are_printed_at_the_end_and_nothing_is_left(talk, tmp_path, shown, found):
    done = run(talk, "--speakers", "--format", shown)
    assert re.findall(r"speaker \d", done.stdout) == found and os.listdir(tmp_path) == ["talk.flac"]


def test_a_known_number_is_met_and_implies_that_speakers_are_named(talk, tmp_path):
    done = run(talk, "--speaker-count", "1", "--out", tmp_path / "a.json", "--json")
    assert json.loads(done.stdout)["speakers"] == 1


def test_speakers_can_be_named_afterwards_without_explaining_again(talk, tmp_path):
    run(talk, "--out", tmp_path / "a.json")
    done = run(talk, "--speakers", "--out", tmp_path / "a.json", "--json")
    counts = json.loads(done.stdout)
    assert (counts["explained"], counts["speakers"]) == (0, 2)


def test_a_recording_without_speech_has_no_speakers(tmp_path):
    soundfile.write(tmp_path / "still.wav", torch.zeros(3 * RATE).numpy(), RATE)
    done = run(tmp_path / "still.wav", "--speakers", "--out", tmp_path / "a.json")
    assert done.exit_code == 0 and "no speech was found" in done.stdout
    assert json.loads((tmp_path / "a.json").read_text())["speakers"] == []


def test_half_a_recording_names_the_speakers_of_what_is_there(tmp_path):
    content = write_conversation(tmp_path / "talk.wav", *TURNS, seconds=4.096).read_bytes()
    (tmp_path / "talk.wav").write_bytes(content[: len(content) // 2])
    done = run(tmp_path / "talk.wav", "--speakers", "--out", tmp_path / "a.json")
    written = json.loads((tmp_path / "a.json").read_text())
    assert done.exit_code == 2 and "truncated" in written["fault"]
    assert [moment["speaker"] for moment in written["moments"]] == NAMES[:3]


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["--speaker-count", "0"], "0 is not in the range 1<=x<=100"),
        (["--speaker-count", "many"], "'many' is not a valid integer"),
        (["--speaker-model", "nowhere"], "Directory 'nowhere' does not exist"),
    ],
)
def test_a_wrong_option_is_reported_before_any_work(talk, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    done = run(talk, "--out", "a.json", *arguments)
    assert done.exit_code == 2 and told in done.stderr and os.listdir(tmp_path) == ["talk.flac"]


def test_what_is_not_set_up_is_one_line_before_any_work(talk, tmp_path, monkeypatch):
    def refuse(folder=None):
        raise SettingsError("say `xser setup speakers` once")

    monkeypatch.setattr("speechbrain_xser.lobes.speaker_encoder.speaker_encoder", refuse)
    monkeypatch.setattr(timeline, "load_recognizer", pytest.fail)
    done = run(talk, "--speakers", "--out", tmp_path / "a.json")
    assert done.exit_code == 2 and done.stderr == "error: say `xser setup speakers` once\n"
    assert os.listdir(tmp_path) == ["talk.flac"]


def test_a_killed_run_resumes_and_names_the_speakers_of_an_uninterrupted_one(python, tmp_path, monkeypatch):
    talk = write_conversation(tmp_path / "long.wav", *([300, 600, 900, 600] * 6))
    command = [python, "-m", "tests.cli.slow_speakers", str(talk), str(tmp_path / "killed.json")]
    process = Process(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE)
    log = tmp_path / "killed.journal-wal"  # what is added goes there first
    while process.poll() is None and (not log.exists() or log.stat().st_size < 4096):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL and not (tmp_path / "killed.json").exists()
    rest, whole = (
        json.loads(run(talk, "--speakers", "--out", tmp_path / name, "--batch-size", "2", "--json").stdout)
        for name in ("killed.json", "whole.json")
    )
    assert 0 < rest["explained"] < whole["explained"] == 24 and rest["speakers"] == whole["speakers"] == 3
    assert (tmp_path / "killed.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
