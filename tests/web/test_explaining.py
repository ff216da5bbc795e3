"""Sharing the model between pages, and what a page shows."""

import re
import time
from html import unescape
from threading import Thread

import pytest

from speechbrain_xser.data.speech import SpeechDetector
from speechbrain_xser.decoder.generation.loop import Answering
from speechbrain_xser.errors import AbandonedError
from speechbrain_xser.evidence import localization
from speechbrain_xser.web.clip import read_upload
from speechbrain_xser.web.explaining import Explainer
from speechbrain_xser.web.listeners import Presence
from speechbrain_xser.web.long_recording import recording_pieces
from speechbrain_xser.web.private import remove_old
from tests.web.conftest import RATE, copied, written


@pytest.fixture
def explainer(recognizer):
    return Explainer(recognizer)


@pytest.fixture
def clips(recognizer, spoken):
    return [read_upload(recognizer, path, max_seconds=30) for path in spoken]


@pytest.mark.slow
def test_the_paragraph_grows_and_the_evidence_comes_last(explainer, clips, recognizer):
    *growing, last = explainer.pieces(clips[0])
    paragraph = recognizer.explain_batch(clips[0].wav[None])[0].paragraph
    texts = [unescape(re.search('xser-paragraph">(.*?)<span', piece).group(1)) for piece in growing]
    assert len(set(texts)) > 5 and all(paragraph.startswith(text) for text in texts) and texts[-1] == paragraph
    assert "xser-evidence" in last


def test_a_closed_page_releases_the_model(explainer, clips):
    pieces = explainer.pieces(clips[0])
    for _ in range(4):
        next(pieces)
    assert explainer.line.in_use
    pieces.close()
    assert not explainer.line.in_use and not explainer.line.taken


@pytest.mark.slow
def test_a_clip_does_not_wait_for_the_end_of_a_recording(explainer, spoken, recording, tmp_path):
    reading = recording_pieces(explainer, copied(recording, tmp_path), max_hours=1)
    next(reading), next(reading)  # in the middle of it
    told = []
    upload = copied(spoken[1], tmp_path)
    other = Thread(target=lambda: told.append(explainer.answer(upload, None, max_seconds=30)))
    other.start()
    other.join(60)
    assert told and told[0]["emotion"]
    reading.close()


@pytest.fixture
def waiting(explainer, spoken, tmp_path, monkeypatch):
    """A clip that waits for its turn; the turn of somebody else, its answers, and what was decoded."""
    decoded, told, load = [], [], explainer.recognizer.load_audio
    monkeypatch.setattr(explainer.recognizer, "load_audio", lambda file: decoded.append(file) or load(file))
    uploads = tmp_path / "uploads"
    (uploads / "one").mkdir(parents=True)
    upload = copied(spoken[0], uploads / "one")
    request = Thread(target=lambda: told.append(explainer.answer(upload, None, max_seconds=30)))
    with explainer.line.place(), explainer.line.turn(Presence()):
        request.start()
        while explainer.line.length < 2:
            time.sleep(0.01)
        yield uploads, decoded
        assert not told
    request.join(60)
    assert told[0]["emotion"] and len(decoded) == 1


def test_a_clip_that_waits_is_not_decoded(waiting):
    _, decoded = waiting
    assert not decoded


def test_a_clip_that_waits_longer_than_uploads_are_kept_is_answered(waiting):
    uploads, _ = waiting
    remove_old(uploads, seconds=-1)


@pytest.fixture
def stopping(monkeypatch):
    """Stops a presence at a call of something, and counts the calls."""

    def stopped_at(place, name, number):
        presence, calls, real = Presence(), [], getattr(place, name)

        def counted(*arguments, **options):
            calls.append(name)
            if len(calls) == number:
                presence.stop()
            return real(*arguments, **options)

        monkeypatch.setattr(place, name, counted)
        return presence, calls

    return stopped_at


@pytest.mark.slow
@pytest.mark.parametrize("place, name", [(Answering, "_step"), (localization, "word_scores")])
def test_a_stopped_explanation_passes_nothing_more_through_the_model(explainer, clips, stopping, place, name):
    presence, passes = stopping(place, name, 3)
    with pytest.raises(AbandonedError):
        list(explainer.pieces(clips[0], presence=presence))
    assert len(passes) == 3
    assert not explainer.line.in_use and not explainer.line.taken


@pytest.mark.slow
def test_a_stopped_recording_ends_within_its_moment(explainer, recording, tmp_path, stopping):
    presence, steps = stopping(Answering, "_step", 3)
    with pytest.raises(AbandonedError):
        list(recording_pieces(explainer, copied(recording, tmp_path), max_hours=1, presence=presence))
    assert len(steps) == 3


def test_a_recording_is_stopped_where_nobody_speaks(explainer, tmp_path, stopping):
    presence, blocks = stopping(SpeechDetector, "probabilities", 2)
    silence = written(tmp_path / "a.wav", [0.0] * 60 * RATE)
    with pytest.raises(AbandonedError):
        list(recording_pieces(explainer, silence, max_hours=1, presence=presence))
    assert len(blocks) == 2 and not silence.exists()
    assert not explainer.line.in_use and not explainer.line.taken


@pytest.mark.slow
def test_who_is_not_stopped_gets_the_answer_of_one_alone(explainer, clips, stopping):
    presence, _ = stopping(Answering, "_step", 3)
    with pytest.raises(AbandonedError):
        list(explainer.pieces(clips[0], presence=presence))
    assert "xser-evidence" in list(explainer.pieces(clips[1]))[-1]
