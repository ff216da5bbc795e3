"""``xser explain`` as a user runs it: on files of every kind, in a pipe, on a terminal, and when it is stopped."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from speechbrain_xser.cli import explain as command
from speechbrain_xser.cli.main import xser
from speechbrain_xser.data.waveform import resampled
from speechbrain_xser.evidence.clip_evidence import gather_evidence
from tests.cli.spoken import RATE, sentence, write_speech
from tests.data.media import write_media
from tests.local_server import local_server, send

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "speechbrain_xser.cli", "explain"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def recognizer(packaged):
    return packaged


@pytest.fixture
def run(recognizer, monkeypatch):
    """Runs the command with a model that is loaded once for all tests."""
    monkeypatch.setattr(command, "load_recognizer", lambda *_, **__: recognizer)

    def invoke(*arguments, text: bytes | None = None):
        return CliRunner().invoke(xser, ["explain", *map(str, arguments)], input=text)

    return invoke


@pytest.fixture(scope="module")
def speech(tmp_path_factory) -> Path:
    return write_speech(tmp_path_factory.mktemp("speech") / "speech.wav")


def rows(done) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_clip_is_a_line_of_json(run, speech, recognizer):
    done = run(speech)
    [row] = rows(done)
    expected = recognizer.explain_file(speech)
    assert done.exit_code == 0 and row["path"] == str(speech) and row["paragraph"] == expected.paragraph
    assert row["transcript"] == "Daniel and the mayor rejected the ancient parliament"  # which it has never heard
    assert row["emotion"] == "neutral" and row["probabilities"] == pytest.approx(expected.probabilities)
    assert row["descriptors"]["gender"] == "male" and "claims" not in row
    assert row["measured"]["rate_from"] == "signal" and 70 < row["measured"]["f0_hertz"] < 200


@pytest.mark.parametrize("suffix", [".flac", ".wav"])
def test_a_lossless_copy_is_explained_like_the_wav(run, speech, tmp_path, suffix):
    """A flac, and a wav of two channels that are the same."""
    samples = soundfile.read(speech, dtype="int16")[0]
    soundfile.write(tmp_path / f"same{suffix}", np.stack([samples, samples], 1) if suffix == ".wav" else samples, RATE)
    first, second = rows(run(speech, tmp_path / f"same{suffix}"))
    assert first["paragraph"] == second["paragraph"]
    assert second["probabilities"] == pytest.approx(first["probabilities"], abs=1e-4)


MEDIA = [
    ("a.mp3", {}),
    ("a.ogg", {}),
    ("a.opus", {"format": "OGG", "subtype": "OPUS"}),
    ("a.m4a", "aac"),
    ("a.mp4", "aac"),
    ("a.webm", "libopus"),
]


@pytest.mark.parametrize(("name", "kind"), MEDIA)
def test_sound_of_any_format_is_explained(run, tmp_path, name, kind):
    """Two channels at 48 kHz; the words survive every codec."""
    import torch

    samples = resampled(torch.from_numpy(sentence()).float(), RATE, 48000, "sentence").numpy()
    samples = np.stack([samples, samples], 1)
    if isinstance(kind, str):
        write_media(tmp_path / name, samples, "stereo", kind)
    else:
        soundfile.write(tmp_path / name, samples, 48000, **kind)
    [row] = rows(run(tmp_path / name))
    assert {"daniel", "mayor"} <= set(row["transcript"].lower().split())


def test_a_folder_and_a_list_in_standard_input_keep_their_order(run, tmp_path):
    for name, seconds in (("b.wav", 0.5), ("deep/a.wav", 1.0), ("c.wav", 0.7)):
        write_speech(tmp_path / name, seconds=seconds)
    text = f"{tmp_path / 'c.wav'}\n{tmp_path / 'b.wav'}\n".encode()
    found = [Path(row["path"]).name for row in rows(run(tmp_path, "-", text=text))]
    assert found == ["b.wav", "c.wav", "a.wav", "c.wav", "b.wav"]


def test_a_sound_file_in_standard_input_is_explained(run, speech):
    [row] = rows(run("-", text=speech.read_bytes()))
    assert row["path"] == "-" and row["emotion"] == "neutral"


def test_half_a_sound_file_in_standard_input_is_a_fault(run, speech):
    done = run("-", text=speech.read_bytes()[:20000])
    assert done.exit_code == 2 and rows(done)[0]["error"].startswith("-: truncated")


def test_a_clip_that_cannot_be_read_is_named_and_the_code_is_2(run, speech, tmp_path):
    (tmp_path / "bad.wav").write_text("no sound")
    done = run("gone.wav", speech, tmp_path / "bad.wav")
    gone, good, bad = rows(done)
    assert done.exit_code == 2 and set(gone) == {"path", "error"} and good["emotion"] == "neutral"
    assert "cannot be read as audio" in bad["error"] and bad["error"] in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_evidence_and_another_voice_are_reported_on_request(run, speech, tmp_path):
    other = write_speech(tmp_path / "other.wav", 2)
    [plain] = rows(run(speech, "--evidence"))
    [swapped] = rows(run(speech, "--swap", other))
    verdicts = {claim["field"]: claim["verdict"] for claim in plain["claims"]}
    assert plain["swapped"] is None and verdicts["gender"] in ("supported", "contradicted")
    assert verdicts["words"] in ("supported", "contradicted") and verdicts["emotion"] == "not checked"
    assert sum(swapped["swapped"].values()) == pytest.approx(1)
    shares = swapped["voice_or_words"]
    assert sum(shares["shares"].values()) == pytest.approx(shares["total"])


def test_an_unreadable_other_voice_is_refused_in_one_line(run, speech):
    done = run(speech, "--swap", "gone.wav")
    assert done.exit_code == 2 and done.stderr.startswith("error: gone.wav") and done.stdout == ""


@pytest.mark.slow
def test_the_page_holds_every_clip_and_names_what_is_missing(run, speech, tmp_path):
    page = tmp_path / "report.html"
    done = run(speech, "gone.wav", write_speech(tmp_path / "b.wav", 2), "--html", page)
    text = page.read_text(encoding="utf-8")
    assert done.exit_code == 2 and text.count('class="xser-evidence"') == 2 and "gone.wav: no such file" in text
    assert "Do not trust its words" in text and "claims" not in rows(done)[0]


@pytest.mark.slow
def test_the_terminal_and_the_page_tell_one_speed(run, speech, tmp_path, monkeypatch):
    gather = "speechbrain_xser.evidence.clip_evidence.gather_evidence"

    def counted_in_the_words(*arguments):
        found = gather_evidence(*arguments)
        return found._replace(measured=found.measured._replace(syllables_per_second=9.87, rate_from="transcript"))

    monkeypatch.setattr(gather, counted_in_the_words)
    [row] = rows(run(speech, "--html", tmp_path / "report.html"))
    assert row["measured"]["syllables_per_second"] == 9.87 and "claims" not in row
    assert "9.87 syllables a second" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_without_a_clip_no_page_is_written(run, tmp_path):
    assert run("gone.wav", "--html", tmp_path / "report.html").exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a.wav", "--html", "/nowhere/a.html"],
        ["a.wav", "--html", "."],
        ["a.wav", "--html", "/dev/null"],
        ["--html", "a.wav", "b.wav"],
        ["a.wav", "--batch-size", "0"],
    ],
)
def test_a_wrong_command_line_ends_before_any_work(monkeypatch, arguments):
    monkeypatch.setattr(command, "load_recognizer", None)
    done = CliRunner().invoke(xser, ["explain", *arguments])
    assert done.exit_code == 2 and "Error: " in done.stderr and done.exception.__class__ is SystemExit


def test_a_reader_that_closes_a_real_pipe_causes_no_message():
    script = (
        "from speechbrain_xser.utils.commandline import one_line_errors\n"
        "with one_line_errors():\n"
        "    while True:\n"
        "        print('a line', flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"a line\n"
        process.stdout.close()
        told = process.stderr.read()
    assert process.returncode == 141 and told == b""


class Stopped(NamedTuple):
    """A command's terminal output until it was stopped, and the files that it left."""

    told: str
    code: int
    left: list[str]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> Stopped:
    """Twelve clips and a page on a terminal; Ctrl-C after the first clip is printed."""
    place = tmp_path_factory.mktemp("stopped")
    for number in range(12):
        write_speech(place / "clips" / f"{number:02d}.wav", number)
    ours, theirs = pty.openpty()
    arguments = [str(place / "clips"), "--html", str(place / "report.html"), "--batch-size", "1"]
    environment = {**ENVIRONMENT, "COLUMNS": "90", "TERM": "xterm", "NO_COLOR": "1"}
    with subprocess.Popen([*COMMAND, *arguments], cwd=ROOT, env=environment, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        told, sent = b"", False
        while read := read_terminal(ours):
            told += read
            if b"descriptors" in told and not sent:
                process.send_signal(signal.SIGINT)
                sent = True
    os.close(ours)
    return Stopped(told.decode(), process.returncode, [path.name for path in place.iterdir()])


def read_terminal(descriptor: int) -> bytes:
    """The bytes that can be read; empty if the other end is closed."""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""


@pytest.mark.slow
def test_on_a_terminal_there_is_a_table_and_the_model_is_named(stopped):
    assert "tiny demonstration model" in stopped.told and "Loading" not in stopped.told
    assert "neutral 100 %" in stopped.told and "Daniel and the mayor" in stopped.told
    assert '"paragraph"' not in stopped.told


@pytest.mark.slow
def test_ctrl_c_leaves_no_page_and_no_traceback(stopped):
    assert stopped.code == 130 and stopped.left == ["clips"]
    assert "no report was written" in stopped.told and "Traceback" not in stopped.told


def test_the_files_at_addresses_are_explained_and_named_without_their_query(run, speech):
    """On the command line, and in a list on standard input; what cannot be fetched stops no other."""

    def answer(request):
        known = request.path.startswith("/speech.wav?")
        send(request, speech.read_bytes()) if known else send(request, b"", 404)

    with local_server(answer) as server:
        address = f"{server.address}/speech.wav?key=secret"
        first = run(address, f"{server.address}/gone.wav")
        second = run("-", text=f"{address}\n{speech}\n".encode())
    [there, gone], [listed, local] = rows(first), rows(second)
    assert there["path"] == listed["path"] == f"{server.address}/speech.wav"
    assert there["paragraph"] == listed["paragraph"] == local["paragraph"]
    assert first.exit_code == 2 and second.exit_code == 0 and "secret" not in first.output
    assert gone["error"].startswith(f"{server.address}/gone.wav: cannot be fetched (the server answers 404")
