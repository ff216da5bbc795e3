"""``xser annotate`` as a user runs and stops it."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from speechbrain_xser.annotator.measures import Measures
from speechbrain_xser.answer.parse import parse
from speechbrain_xser.cli.main import xser
from speechbrain_xser.data.manifest import Utterance, read_manifest, write_manifest
from speechbrain_xser.utils.journal import Journal
from tests.warmed import Process

ROOT = Path(__file__).parents[2]


def tones(folder: Path, count: int, seconds: float = 1.0) -> Path:
    folder.mkdir()
    time_axis = np.arange(round(seconds * 16000)) / 16000
    for number in range(count):
        soundfile.write(folder / f"{number:03d}.wav", 0.1 * np.sin(2 * np.pi * (150 + number) * time_axis), 16000)
    return folder


def run(*arguments):
    return CliRunner().invoke(xser, ["annotate", *map(str, arguments), "--workers", "1"])


def test_a_folder_becomes_a_manifest_with_descriptors(tmp_path):
    done = run(tones(tmp_path / "clips", 2), "--out", tmp_path / "out", "--json")
    assert done.exit_code == 0 and json.loads(done.stdout) == {"clips": 2, "measured": 2, "unreadable": 0}
    rows = read_manifest(tmp_path / "out" / "manifest.jsonl")
    assert [(row.id, row.volume, row.emotion, row.age, row.duration) for row in rows] == [
        ("000.wav", "high", None, None, 1.0),
        ("001.wav", "high", None, None, 1.0),
    ]
    assert all(Path(row.wav).is_absolute() and parse(row.caption) == row.record() for row in rows)


def test_the_same_command_again_measures_nothing_and_changes_nothing(tmp_path):
    folder = tones(tmp_path / "clips", 2)
    run(folder, "--out", tmp_path / "out")
    first = (tmp_path / "out" / "manifest.jsonl").read_bytes()
    assert "measured 0" in run(folder, "--out", tmp_path / "out").output
    assert (tmp_path / "out" / "manifest.jsonl").read_bytes() == first


def test_a_manifest_keeps_its_values_and_its_paths_work_from_anywhere(tmp_path):
    folder = tones(tmp_path / "clips", 1)
    write_manifest(folder / "mine.jsonl", [Utterance("a", "000.wav", transcript="Hello", emotion="sad", volume="low")])
    done = run(folder / "mine.jsonl", "--out", tmp_path / "out", "--wording", "plain")
    [row] = read_manifest(tmp_path / "out" / "manifest.jsonl")
    assert done.exit_code == 0 and (row.id, row.emotion, row.volume) == ("a", "sad", "low")
    assert Path(row.wav) == (folder / "000.wav").resolve() and "low volume" in row.caption
    assert not (folder / "manifest.jsonl").exists()


def test_an_unreadable_clip_is_named_and_does_not_stop_the_others(tmp_path, caplog):
    folder = tones(tmp_path / "clips", 1)
    (folder / "bad.wav").write_text("no sound")
    done = run(folder, "--out", tmp_path / "out")
    assert done.exit_code == 0 and "clips 2, measured 1, unreadable 1" in done.output and "bad.wav" in caplog.text


@pytest.mark.parametrize(
    "arguments", [["--language", "martian"], ["--rewrite", "/nowhere"], ["--classifier", "/nowhere"]]
)
def test_a_wrong_option_is_one_line_before_anything_is_measured(tmp_path, arguments):
    folder = tones(tmp_path / "clips", 1)
    write_manifest(folder / "mine.jsonl", [Utterance("a", "000.wav", transcript="Hello")])
    done = run(folder / "mine.jsonl", "--out", tmp_path / "out", *arguments)
    assert done.exit_code == 2 and done.output.startswith("error: ") and done.output.count("\n") == 1
    assert not (tmp_path / "out" / "manifest.jsonl").exists() or "martian" in arguments


def test_an_empty_folder_says_what_was_expected(tmp_path):
    (tmp_path / "clips").mkdir()
    done = run(tmp_path / "clips", "--out", tmp_path / "out")
    assert done.exit_code == 2 and "expected wav" in done.output


def test_two_concurrent_runs_do_not_mix_their_files(tmp_path, python):
    folder = tones(tmp_path / "clips", 1)
    (tmp_path / "out").mkdir()
    script = (
        "import sys\n"
        "from speechbrain_xser.utils.commandline import claimed\n"
        f"with claimed({str(tmp_path / 'out')!r}):\n"
        "    print('claimed', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [python, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "claimed\n"
        done = run(folder, "--out", tmp_path / "out")
        other.stdin.close()
    assert done.exit_code == 2 and str(tmp_path / "out") in done.output
    assert run(folder, "--out", tmp_path / "out").exit_code == 0


def test_a_killed_run_loses_no_measure(tmp_path, python):
    folder, out = tones(tmp_path / "clips", 60, seconds=4.0), tmp_path / "out"
    command = [python, "-m", "speechbrain_xser.cli", "annotate", str(folder), "--out", str(out), "--workers", "1"]
    journal, process = out / "measures.sqlite", Process(command, cwd=ROOT)
    log = out / "measures.sqlite-wal"  # what is added goes there first
    while process.poll() is None and (not log.exists() or log.stat().st_size < 20000):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with Journal(journal, Measures) as measures:
        kept = len(measures)
    assert 0 < kept < 60
    done = run(folder, "--out", out, "--json")
    assert json.loads(done.stdout) == {"clips": 60, "measured": 60 - kept, "unreadable": 0}


@pytest.mark.slow
def test_ctrl_c_prints_one_line_and_no_traceback(tmp_path):
    folder, out = tones(tmp_path / "clips", 300, seconds=4.0), tmp_path / "out"  # far more than come at once
    command = [
        sys.executable,
        "-m",
        "speechbrain_xser.cli",
        "annotate",
        str(folder),
        "--out",
        str(out),
        "--workers",
        "2",
    ]
    options = {"cwd": ROOT, "env": {**os.environ, "OMP_NUM_THREADS": "1"}, "stderr": subprocess.PIPE, "text": True}
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a suite in the background of a shell ignores it
    with subprocess.Popen(command, preexec_fn=heard, **options) as process:
        log = out / "measures.sqlite-wal"  # what is added goes there first
        while process.poll() is None and (not log.exists() or log.stat().st_size < 20000):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        told = process.communicate()[1]
    assert process.returncode == 130 and "continues where this one stopped" in told and "Traceback" not in told
