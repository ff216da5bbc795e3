"""Silero VAD over a stream."""

import sys

import numpy as np
import pytest
import torch
from torchaudio.functional import resample

from speechbrain_xser.data.speech import SpeechDetector
from speechbrain_xser.data.synthetic.espeak import Espeak, Speaking


@pytest.fixture(scope="module")
def frames():
    """Three seconds of a synthetic voice, [F, 512]."""
    espeak = Espeak()
    wave = torch.from_numpy(np.array(espeak.say("The minister signed the tax on Friday.", Speaking("en-us+m3"))))
    wave = resample(wave, espeak.sample_rate, 16000)
    return wave[: len(wave) // 512 * 512].reshape(-1, 512)


def test_speech_is_detected_and_a_tone_is_not(frames):
    tone = 0.3 * torch.sin(2 * torch.pi * 440 * torch.arange(32000) / 16000)[: 62 * 512].reshape(-1, 512)
    assert SpeechDetector().probabilities(frames).median() > 0.9
    assert (SpeechDetector().probabilities(tone) < 0.5).float().mean() > 0.9


def test_a_stream_may_be_divided_anywhere(frames):
    whole, detector = SpeechDetector().probabilities(frames), SpeechDetector()
    parts = [detector.probabilities(part) for part in (frames[:1], frames[1:1], frames[1:30], frames[30:])]
    assert torch.equal(torch.cat(parts), whole)


def test_two_detectors_do_not_share_their_memory(frames):
    one, other = SpeechDetector(), SpeechDetector()
    one.probabilities(frames)
    assert torch.equal(other.probabilities(frames), SpeechDetector().probabilities(frames))


def test_torch_keeps_its_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        SpeechDetector()
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_detector_changes_no_setting_that_other_threads_compute_with(monkeypatch):
    monkeypatch.delitem(sys.modules, "silero_vad", raising=False)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: pytest.fail("torch's threads were changed meanwhile"))
    SpeechDetector()
