"""A long recording that is read for the page."""

import tempfile

import pytest

from speechbrain_xser.errors import AudioError
from speechbrain_xser.web.explaining import Explainer
from speechbrain_xser.web.long_recording import recording_answer, recording_pieces
from tests.web.conftest import RATE, copied, files_below, written


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def explainer(recognizer):
    return Explainer(recognizer)


def test_the_bar_moves_and_the_timeline_comes_last(explainer, recording, place):
    *bars, last = recording_pieces(explainer, copied(recording, place), max_hours=1)
    assert all("<progress" in bar for bar in bars) and len(set(bars)) == 3
    assert "xser-timeline" in last and last.count('class="xser-moment"') == 2
    assert files_below(place) == []


def test_one_moment_is_told_as_one(explainer, spoken, place):
    *_, last = recording_pieces(explainer, copied(spoken[0], place), max_hours=1)
    assert '"clip7.wav is read: 1 moment"' in last


def test_a_closed_page_leaves_no_file_and_no_lock(explainer, recording, place):
    pieces = recording_pieces(explainer, copied(recording, place), max_hours=1)
    next(pieces), next(pieces)
    pieces.close()
    assert files_below(place) == [] and not explainer.line.in_use and not explainer.line.taken


def test_a_recording_that_ends_early_is_shown_as_far_as_it_goes(explainer, recording, place):
    upload = copied(recording, place)
    upload.write_bytes(upload.read_bytes()[:-RATE])
    *_, last = recording_pieces(explainer, upload, max_hours=1)
    assert 'role="alert">meeting.wav: truncated' in last and "xser-moment" in last


def test_an_api_caller_is_told_why_moments_end(explainer, recording, place):
    upload = copied(recording, place)
    upload.write_bytes(upload.read_bytes()[:-RATE])
    answer = recording_answer(explainer, upload, max_hours=1)
    assert len(answer["moments"]) == 2 and "truncated" in answer["fault"]


def test_a_long_recording_is_refused_and_removed(explainer, recording, place):
    with pytest.raises(AudioError, match="meeting.wav is .* long; at most 3.6 s can be used here"):
        list(recording_pieces(explainer, copied(recording, place), max_hours=0.001))
    assert files_below(place) == []


def test_silence_gives_an_empty_timeline(explainer, place):
    *_, last = recording_pieces(explainer, written(place / "a.wav", [0.0] * RATE), max_hours=1)
    assert "No speech was found" in last
