"""Measures of generated signals, and their JSON round trip."""

import json
import math

import pytest
import torch

from speechbrain_xser.annotator.measures import Measures, measure

RATE = 16000


def tone(hertz: float, gain: float = 0.1) -> torch.Tensor:
    return gain * torch.sin(2 * math.pi * hertz * torch.arange(RATE) / RATE)


def test_a_tone_is_measured_in_its_units():
    found = measure(tone(220.0), "one")
    assert found.f0_hertz == pytest.approx(220, rel=1e-3)
    assert found.level_decibels == pytest.approx(-23.01, abs=0.1)
    assert found.f0_range_semitones == pytest.approx(0, abs=0.05)
    assert (found.contour, found.rate_from) == ("level", "transcript")
    assert found.syllables_per_second == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("wav", [torch.zeros(RATE), torch.zeros(1)])
def test_silence_has_no_measures(wav):
    assert measure(wav, "one two") == Measures()


def test_noise_has_a_level_and_no_pitch():
    found = measure(0.1 * torch.randn(RATE, generator=torch.Generator().manual_seed(0)))
    assert found.level_decibels == pytest.approx(-20, abs=0.2)
    assert (found.f0_hertz, found.f0_range_semitones, found.contour, found.gender_log_odds) == (None,) * 4


def test_without_a_transcript_no_word_is_prominent():
    assert measure(tone(220.0)).prominences is None


def test_measures_survive_json_unchanged():
    found = measure(tone(220.0), "one two")
    assert Measures.from_dict(json.loads(json.dumps(found.as_dict()))) == found
    assert Measures.from_dict(json.loads(json.dumps(Measures().as_dict()))) == Measures()
