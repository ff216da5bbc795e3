"""``xser timeline`` as a user runs it, stops it and kills it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import srt
from click.testing import CliRunner

import speechbrain_xser
from speechbrain_xser.cli import timeline
from speechbrain_xser.cli.main import xser
from speechbrain_xser.timeline.moment import Moment
from speechbrain_xser.utils.journal import Journal
from tests.timeline.stub import RATE, Loudness, Stub, tones
from tests.warmed import Process

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def stub(monkeypatch):
    """Replaces the model by arithmetic and the detector by a loudness threshold."""
    monkeypatch.setattr(timeline, "load_recognizer", lambda *_, **__: Stub())
    monkeypatch.setattr("speechbrain_xser.timeline.moment_stream.SpeechDetector", Loudness)


@pytest.fixture
def recording(tmp_path):
    """Two tones."""
    soundfile.write(tmp_path / "talk.flac", tones(1.024, 2.048, 1.024, 1.024, 1.024), RATE)
    return tmp_path / "talk.flac"


def run(*arguments):
    return CliRunner().invoke(xser, ["timeline", *map(str, arguments)])


def test_a_pipe_gets_one_line_of_json_per_moment(recording):
    done = run(recording)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 0 and [row["start_seconds"] for row in rows] == [0.824, 3.896]
    assert "2 moments, 3.9 of 6.1 s are speech" in done.stderr


def test_one_moment_is_told_as_one(tmp_path):
    soundfile.write(tmp_path / "talk.flac", tones(1.024, 2.048, 1.024), RATE)
    assert "talk.flac: 1 moment, 2.4 of 4.1 s are speech; 1 was explained now" in run(tmp_path / "talk.flac").stderr


def test_a_format_is_printed_by_its_name(recording):
    assert [cue.content[:5] for cue in srt.parse(run(recording, "--format", "srt").stdout)] == ["[sad ", "[sad "]


def test_files_are_written_in_the_formats_of_their_names(recording, tmp_path):
    names = ["a.json", "a.jsonl", "a.csv", "a.srt", "a.vtt", "a.rttm", "a.html"]
    outs = [part for name in names for part in ("--out", tmp_path / name)]
    done = run(recording, *outs, "--json")
    counts = json.loads(done.stdout)
    assert (counts["moments"], counts["explained"], counts["speech_seconds"]) == (2, 2, 3.872)
    assert counts["files"] == [str(tmp_path / name) for name in names]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, "a.journal", "talk.flac"])
    assert 'src="talk.flac"' in (tmp_path / "a.html").read_text()


def test_the_same_command_again_explains_nothing_and_writes_the_same(recording, tmp_path):
    run(recording, "--out", tmp_path / "a.json")
    first = (tmp_path / "a.json").read_bytes()
    again = run(recording, "--out", tmp_path / "a.json", "--json")
    assert json.loads(again.stdout)["explained"] == 0 and (tmp_path / "a.json").read_bytes() == first


def test_other_settings_do_not_reuse_stored_moments(recording, tmp_path):
    run(recording, "--out", tmp_path / "a.json")
    other = run(recording, "--out", tmp_path / "a.json", "--context-seconds", "0", "--json")
    assert json.loads(other.stdout)["explained"] == 2


def test_the_sound_can_be_put_into_the_page(recording, tmp_path):
    run(recording, "--out", tmp_path / "a.html", "--embed-audio")
    assert 'src="data:audio/ogg;base64,T2dnUw' in (tmp_path / "a.html").read_text()


@pytest.mark.parametrize("suffix", ["json", "srt", "html"])
def test_no_speech_is_an_empty_timeline_that_says_so(tmp_path, suffix):
    soundfile.write(tmp_path / "still.wav", np.zeros(3 * RATE), RATE)
    done = run(tmp_path / "still.wav", "--out", tmp_path / f"a.{suffix}")
    assert done.exit_code == 0 and "still.wav: no speech was found in 3.0 s" in done.stdout
    assert (tmp_path / f"a.{suffix}").exists()


def test_half_a_recording_is_written_as_far_as_it_goes_and_exits_with_2(tmp_path):
    soundfile.write(tmp_path / "talk.wav", tones(*[1.0] * 30), RATE)
    content = (tmp_path / "talk.wav").read_bytes()
    (tmp_path / "talk.wav").write_bytes(content[: len(content) // 2])
    done = run(tmp_path / "talk.wav", "--out", tmp_path / "a.json")
    written = json.loads((tmp_path / "a.json").read_text())
    assert done.exit_code == 2 and re.search("error: .*talk.wav: truncated", done.stderr)
    assert len(written["moments"]) == 7 and "truncated" in written["fault"]  # tones end at 2, 4, ... 14 of 15 s


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["--out", "a.txt"], "'.txt' is not a format; expected .jsonl, .json"),
        (["--out", "nowhere/a.json"], "the folder 'nowhere' for 'a.json' does not exist"),
        (["--max-seconds", "31"], "max_seconds is 31, expected 2 to 30"),
        (["--context-seconds", "1"], "context_seconds is 1, expected 0 to half of pause_seconds"),
    ],
)
def test_a_wrong_option_is_reported_before_any_work(recording, arguments, told, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    done = run(recording, *arguments)
    assert done.exit_code == 2 and told in done.stderr and os.listdir(tmp_path) == ["talk.flac"]


@pytest.mark.parametrize("name", ["gone.wav", "."])
def test_a_file_that_is_not_a_recording_is_refused_in_one_line(tmp_path, name):
    done = run(tmp_path / name)
    assert done.exit_code == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_another_recording_of_the_same_name_size_and_time_reuses_no_moment(tmp_path):
    path = tmp_path / "talk.wav"
    soundfile.write(path, tones(1.024, 2.048, 1.024, 1.024, 1.024), RATE)
    run(path, "--out", tmp_path / "a.json")
    before = path.stat()
    soundfile.write(path, tones(1.024, 1.024, 1.024, 2.048, 1.024), RATE)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert json.loads(run(path, "--out", tmp_path / "a.json", "--json").stdout)["explained"] == 2
    ends = [moment["end_seconds"] for moment in json.loads((tmp_path / "a.json").read_text())["moments"]]
    assert ends == [pytest.approx(2.248, abs=0.01), pytest.approx(5.32, abs=0.01)]


def test_a_user_s_file_in_the_journal_s_place_is_refused_in_one_line_and_kept(recording, tmp_path):
    (tmp_path / "a.journal").write_text("Monday: rain\n")
    done = run(recording, "--out", tmp_path / "a.json")
    assert done.exit_code == 2 and "a.journal is not a journal of this program" in done.stderr
    assert (tmp_path / "a.journal").read_text() == "Monday: rain\n" and done.stderr.count("\n") == 1


def test_two_runs_do_not_share_a_journal(recording, tmp_path):
    script = (
        "import sys\n"
        "from speechbrain_xser.utils.journal import Journal\n"
        "class Moment: pass\n"  # only the name counts, and the true one's imports take seconds
        f"with Journal({str(tmp_path / 'a.journal')!r}, Moment):\n"
        "    print('claimed', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "claimed\n"
        refused = run(recording, "--out", tmp_path / "a.json")
        other.stdin.close()
    assert refused.exit_code == 2 and "Another run is writing" in refused.stderr
    assert run(recording, "--out", tmp_path / "a.json").exit_code == 0


@pytest.fixture(scope="module")
def speech(tmp_path_factory):
    """Twenty words of a synthetic voice, a second apart: three groups of at most eight."""
    from speechbrain_xser.data.synthetic.espeak import Espeak, Speaking

    espeak, parts = Espeak(), []
    for place in range(20):
        wave = espeak.say(["yesterday", "the minister", "umbrella"][place % 3], Speaking("en-us+m3"))
        parts += [wave, np.zeros(espeak.sample_rate)]
    path = tmp_path_factory.mktemp("speech") / "words.wav"
    soundfile.write(path, np.concatenate(parts), espeak.sample_rate)
    return path


def started(python, speech, out):
    """A slow run that has stored some moments."""
    command = [python, "-m", "tests.timeline.run_stub", str(speech), str(out), "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = Process(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    log = out.with_name(f"{out.stem}.journal-wal")  # what is added goes there first
    while process.poll() is None and (not log.exists() or log.stat().st_size < 4096):
        time.sleep(0.01)
    return process, out.with_suffix(".journal")


def test_a_killed_run_resumes_and_writes_what_an_uninterrupted_one_writes(python, speech, tmp_path, monkeypatch):
    monkeypatch.undo()  # the real detector, as in the process
    monkeypatch.setattr(timeline, "load_recognizer", lambda *_, **__: Stub())
    process, journal = started(python, speech, tmp_path / "killed.json")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with Journal(journal, Moment) as moments:
        kept = len(moments)
    assert process.returncode == -signal.SIGKILL and 0 < kept < 20 and not (tmp_path / "killed.json").exists()
    rest, whole = (
        json.loads(run(speech, "--out", tmp_path / name, "--batch-size", "2", "--json").stdout)
        for name in ("killed.json", "whole.json")
    )
    assert rest["explained"] == whole["moments"] - kept and whole["explained"] == whole["moments"] == 20
    assert (tmp_path / "killed.json").read_bytes() == (tmp_path / "whole.json").read_bytes()


def test_ctrl_c_prints_one_line_and_no_traceback(python, speech, tmp_path):
    process, journal = started(python, speech, tmp_path / "a.json")
    process.send_signal(signal.SIGINT)
    told = process.communicate()[1]
    assert process.returncode == 130 and "continues where this one stopped" in told and "Traceback" not in told
    assert [path.name for path in tmp_path.iterdir()] == ["a.journal"] and journal.stat().st_size > 0


def test_the_packaged_model_explains_a_recording_and_says_what_it_is(recording, monkeypatch, tmp_path):
    monkeypatch.undo()
    done = run(recording, "--out", tmp_path / "a.json", "--device", "cpu", "--threshold", "0.2")
    assert done.exit_code == 0 and "tiny demonstration model" in done.stderr
    assert json.loads((tmp_path / "a.json").read_text())["model"] == "the tiny demonstration model"
    assert Path(speechbrain_xser.packaged_model()).is_dir()
