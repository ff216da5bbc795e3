"""What can be downloaded: the bytes that the commands write of the same sound."""

import csv
import io
import subprocess
import tempfile

import pytest
import srt

from speechbrain_xser.answer.reliability import Reliability, SureBin
from speechbrain_xser.cli.model_options import explained_by, model_name
from speechbrain_xser.web.clip import read_upload
from speechbrain_xser.web.explaining import Explainer
from speechbrain_xser.web.long_recording import recording_pieces
from speechbrain_xser.web.result_files import ModelText, clip_files, recording_files, saved_name
from tests.web.conftest import RATE, copied

TINY = ["-m", "speechbrain_xser.cli"]
SUFFIXES = ("html", "json", "csv", "srt")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def explainer(recognizer, monkeypatch):
    monkeypatch.setattr(recognizer, "demonstration", True)  # as the commands load it
    return Explainer(recognizer)


@pytest.fixture
def model(recognizer):
    return ModelText(explained_by("tiny"), model_name("tiny"), tuple(recognizer.hparams.emotions))


@pytest.fixture
def command(python, tmp_path_factory):
    """Runs a command in a folder that has the sound."""

    def ran(sound, *words):
        folder = tmp_path_factory.mktemp("command")
        copied(sound, folder)
        command = [python, *TINY, words[0], sound.name, "--model", "tiny", "--device", "cpu", *words[1:]]
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        return done.stdout, folder

    return ran


def saved(pieces, make):
    """The files that are made of a result."""
    found = []
    for _ in pieces(lambda *parts: found.append(make(*parts)) or ()):
        pass
    return found[0]


@pytest.fixture
def files_of(explainer, model, place):
    """The files of a clip that was explained on the page."""

    def made(path):
        clip = read_upload(explainer.recognizer, copied(path, place), max_seconds=30)
        return saved(
            lambda keep: explainer.pieces(clip, saved=keep), lambda evidence: clip_files(clip, evidence, model)
        )

    return made


def test_the_page_and_the_json_of_a_clip_are_those_of_the_command(files_of, command, spoken):
    files = files_of(spoken[0])
    told, folder = command(spoken[0], "explain", "--json", "--evidence")
    command_page = command(spoken[0], "explain", "--html", "a.html")[1] / "a.html"
    assert files["clip7.json"] == told
    assert files["clip7.html"] == command_page.read_bytes()


def test_the_rows_and_subtitles_of_a_clip_are_one_moment(files_of, spoken, recognizer):
    files, told = files_of(spoken[0]), recognizer.explain_file(spoken[0])
    [row] = csv.DictReader(io.StringIO(files["clip7.csv"].decode()))
    assert (row["start_seconds"], row["emotion"], row["transcript"]) == ("0.0", told.emotion, told.transcript)
    seconds = len(recognizer.load_audio(spoken[0])) / RATE
    [cue] = srt.parse(files["clip7.srt"].decode())
    assert cue.end.total_seconds() == pytest.approx(seconds, abs=0.001) and told.transcript in cue.content


def read_on_the_page(explainer, model, recording, place):
    upload = copied(recording, place)
    return saved(
        lambda keep: recording_pieces(explainer, upload, max_hours=1, saved=keep),
        lambda moments, heard: recording_files(moments, heard, model),
    )


def test_the_files_of_a_recording_are_those_of_the_command(explainer, model, command, recording, place):
    files = read_on_the_page(explainer, model, recording, place)
    outs = [word for suffix in SUFFIXES for word in ("--out", f"meeting.{suffix}")]
    _, folder = command(recording, "timeline", "--batch-size", "1", *outs)
    assert {name: (folder / name).read_bytes() for name in files} == files
    assert list(files) == [f"meeting.{suffix}" for suffix in SUFFIXES]


def test_the_page_of_a_recording_says_how_often_answers_as_sure_were_right(
    explainer, model, recording, place, monkeypatch
):
    counted = Reliability("clips of other speakers", (SureBin(0.0, 1.0, 43, 31),))
    monkeypatch.setattr(explainer.recognizer, "reliability", counted)
    upload, shown = copied(recording, place), []
    shown += recording_pieces(explainer, upload, max_hours=1, saved=lambda *found: shown.append(found) or ())
    [(moments, heard)] = [one for one in shown if isinstance(one, tuple)]
    files = recording_files(moments, heard, model._replace(reliability=counted))
    told = [page.count("31 of 43 were right") for page in (shown[-1], files["meeting.html"].decode())]
    assert told == [len(moments)] * 2 and moments


def test_the_files_of_a_recording_that_ends_early_say_so_as_the_command_does(
    explainer, model, command, recording, place, tmp_path_factory
):
    cut = copied(recording, tmp_path_factory.mktemp("cut"))
    cut.write_bytes(cut.read_bytes()[:-RATE])
    files = read_on_the_page(explainer, model, cut, place)
    _, folder = command(cut, "timeline", "--batch-size", "1", "--out", "meeting.json", "--out", "meeting.html")
    assert b'"fault": "meeting.wav: truncated' in files["meeting.json"]
    assert files["meeting.json"] == (folder / "meeting.json").read_bytes()
    assert files["meeting.html"] == (folder / "meeting.html").read_bytes()


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\r\nSet-Cookie: b.wav", "\u202e.wav", "." * 300, "x" * 300, ""])
def test_a_name_is_no_path_no_header_and_not_long(name):
    made = saved_name(name, "csv")
    assert made.endswith(".csv") and len(made) <= 64 and not set('/\\\r\n:"\u202e') & set(made)
    assert not made.startswith(".")
