"""Prosody of signals whose pitch, level and rate are known by construction."""

import math

import pytest
import torch

from speechbrain_xser.data.prosody import cepstral_functionals, pitch_track, prosody_functionals
from speechbrain_xser.errors import AudioError

RATE = 16000


def harmonic(hertz: float, seconds: float = 1.0, gain: float = 0.1) -> torch.Tensor:
    time = torch.arange(round(seconds * RATE)) / RATE
    return gain * sum(torch.sin(2 * math.pi * hertz * k * time) / k for k in range(1, 11))


@pytest.mark.parametrize("hertz", [80.0, 117.3, 220.0, 391.0])
def test_pitch_of_a_harmonic_tone_is_within_one_percent(hertz):
    assert pitch_track(harmonic(hertz)).hertz.median().item() == pytest.approx(hertz, rel=0.01)


def test_white_noise_is_unvoiced():
    noise = torch.randn(RATE, generator=torch.Generator().manual_seed(0))
    assert (pitch_track(noise).hertz > 0).float().mean() < 0.02


def test_pitch_in_semitones_rises_by_twelve_for_an_octave():
    low, high = (prosody_functionals(harmonic(hertz))["pitch_p50"] for hertz in (110.0, 220.0))
    assert high - low == pytest.approx(12.0, abs=0.1)


def test_ten_times_the_amplitude_is_twenty_decibels_and_changes_no_pitch():
    quiet, loud = (prosody_functionals(harmonic(150.0, gain=gain)) for gain in (0.01, 0.1))
    assert loud["energy_mean"] - quiet["energy_mean"] == pytest.approx(20.0, abs=1e-3)
    assert loud["pitch_p50"] == pytest.approx(quiet["pitch_p50"], abs=1e-3)


def test_a_glide_of_one_octave_a_second_has_a_slope_of_twelve_semitones():
    time = torch.arange(RATE) / RATE
    phase = 2 * math.pi * 150.0 * (2**time - 1) / math.log(2)
    assert prosody_functionals(torch.sin(phase))["pitch_slope"] == pytest.approx(12.0, abs=0.2)


def test_four_bursts_in_two_seconds_are_counted_as_four_voiced_segments():
    burst, pause = harmonic(200.0, 0.3), torch.zeros(round(0.25 * RATE))
    wav = torch.cat([burst, pause, burst, pause, burst, pause, burst])
    found = prosody_functionals(wav)
    assert found["voiced_segments_per_second"] * found["speech_seconds"] == pytest.approx(4)
    assert found["speech_seconds"] == pytest.approx(1.95, abs=0.06)


def test_silence_and_a_single_sample_give_finite_numbers():
    for wav in (torch.zeros(RATE), torch.zeros(1), torch.full((RATE,), 0.5)):
        values = {**prosody_functionals(wav), **cepstral_functionals(wav)}
        assert all(math.isfinite(value) for value in values.values())


def test_names_do_not_depend_on_the_clip():
    assert list(prosody_functionals(torch.zeros(1))) == list(prosody_functionals(harmonic(200.0)))


@pytest.mark.parametrize("wav", [torch.zeros(0), torch.full((RATE,), math.nan), torch.zeros(2, RATE)])
def test_samples_that_are_not_an_utterance_are_refused(wav):
    with pytest.raises(AudioError, match="expected|Expected"):
        pitch_track(wav)
