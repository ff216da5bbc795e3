"""Pitch of signals whose pitch is known by construction, including cases prone to octave errors."""

import math
import sys

import pytest
import torch

from speechbrain_xser.annotator.pitch import centred_frames, correlation_track, praat_track
from speechbrain_xser.errors import SettingsError

RATE = 16000


def harmonic(hertz: torch.Tensor, strengths: list[float]) -> torch.Tensor:
    """Harmonics of a pitch given for every sample."""
    phase = 2 * math.pi * (hertz.double() / RATE).cumsum(0)
    return sum(gain * torch.sin((k + 1) * phase) for k, gain in enumerate(strengths)).float()


def constant(hertz: float, seconds: float = 1.0) -> torch.Tensor:
    return torch.full((round(seconds * RATE),), hertz)


@pytest.mark.parametrize("hertz", [80.0, 117.3, 220.0, 391.0, 555.0])
def test_pitch_of_a_harmonic_tone_is_within_a_thousandth(hertz):
    track = correlation_track(harmonic(constant(hertz), [1 / k for k in range(1, 8)]))
    assert track[5:-5].tolist() == pytest.approx([hertz] * len(track[5:-5]), rel=1e-3)


def test_a_glide_is_followed_at_the_middle_of_each_frame():
    seconds = torch.arange(RATE) / RATE
    hertz = 150 * 2**seconds
    track = correlation_track(harmonic(hertz, [1, 0.5, 0.3]))
    at_frames = 150 * 2 ** (torch.arange(len(track)) * 0.01)
    assert (track / at_frames - 1)[5:-5].abs().max() < 2e-3  # 10 ms late would be 7e-3


def test_a_strong_second_harmonic_does_not_double_the_pitch():
    track = correlation_track(harmonic(constant(120.0), [0.3, 1, 0.2, 0.4]))
    assert (track[5:-5] / 120 - 1).abs().max() < 0.01


def test_every_second_period_weaker_does_not_halve_the_pitch():
    wave = harmonic(constant(240.0), [1, 0.5, 0.3]) + harmonic(constant(120.0), [0.05])
    track = correlation_track(wave)
    assert (track[5:-5] / 240 - 1).abs().max() < 0.01


def test_a_short_stretch_that_repeats_at_half_the_pitch_is_repaired():
    weights = torch.zeros(2 * RATE)
    weights[RATE : RATE + 1200] = 0.5  # 75 ms in which the octave below is the true period
    wave = harmonic(constant(200.0, 2.0), [1, 0.5, 0.3])
    wave += weights * harmonic(constant(100.0, 2.0), [1, 0, 0.5])
    track = correlation_track(wave)
    assert (track[5:-5] > 190).all()


def test_a_short_stretch_whose_first_harmonic_fades_is_not_doubled():
    hertz = 180 * (230 / 180) ** (torch.arange(RATE) / RATE)
    odd = torch.ones(RATE)
    odd[1600:3200] = 0.05  # a tenth of a second in which the octave above fits as well, inside the voice's range
    wave = odd * harmonic(hertz, [1, 0, 0.4]) + harmonic(hertz, [0, 1, 0, 0.4])
    track = correlation_track(wave)
    assert (track[5:-5] < 240).all() and (track[5:-5] > 170).all()


def test_neither_a_whistle_far_above_the_voice_nor_its_octaves_are_a_pitch():
    wave = torch.cat([harmonic(constant(120.0), [1, 0.5, 0.3]), 0.3 * harmonic(constant(450.0, 0.2), [1])])
    track = correlation_track(wave)
    assert (track[5:95] / 120 - 1).abs().max() < 0.01
    assert not track[105:-5].any()


def test_white_noise_has_no_pitch():
    noise = torch.randn(RATE, generator=torch.Generator().manual_seed(0))
    assert (correlation_track(noise) > 0).float().mean() < 0.05


def test_a_clip_of_one_sample_has_one_frame():
    assert centred_frames(torch.ones(1), 400).shape == (1, 400)


def test_the_track_does_not_depend_on_how_many_frames_are_taken_at_once(monkeypatch):
    wave = harmonic(120 + 40 * torch.sin(torch.arange(RATE) / 2000), [1, 0.5])
    whole = correlation_track(wave)
    monkeypatch.setattr("speechbrain_xser.annotator.pitch.FRAMES_AT_ONCE", 7)
    assert torch.allclose(correlation_track(wave), whole, rtol=1e-5)


@pytest.mark.parametrize("samples", [1, 159, 160, 1601, 16000])
def test_both_trackers_have_a_frame_every_ten_milliseconds(samples):
    pytest.importorskip("parselmouth")
    wave = harmonic(constant(200.0), [1, 0.5])[:samples]
    assert len(praat_track(wave)) == len(correlation_track(wave)) == samples // 160 + 1


def test_a_missing_parselmouth_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "parselmouth", None)
    with pytest.raises(SettingsError, match=r'pip install "praat-parselmouth'):
        praat_track(torch.ones(RATE))
