"""Trimming and detected speech, on generated signals."""

import math

import pytest
import torch

from speechbrain_xser.annotator.analysis import hear
from speechbrain_xser.annotator.level import speech_decibels
from speechbrain_xser.errors import AudioError, SettingsError

RATE = 16000
TONE = 0.1 * torch.sin(2 * math.pi * 200 * (torch.arange(RATE) + 0.5) / RATE)


def padded(wav: torch.Tensor, before: int, after: int) -> torch.Tensor:
    return torch.nn.functional.pad(wav, (before, after))


def test_the_silence_at_both_ends_is_trimmed_and_its_length_known():
    heard = hear(padded(TONE, 8000, 4000))
    assert (len(heard.wav), heard.start_seconds) == (RATE, 0.5)


def test_noise_far_below_the_sound_is_trimmed_too():
    noise = 1e-5 * torch.randn(3 * RATE, generator=torch.Generator().manual_seed(0))
    assert len(hear(padded(TONE, RATE, RATE) + noise).wav) == pytest.approx(RATE, abs=3)


def test_tracks_have_one_length():
    heard = hear(TONE[:5000])
    assert len(heard.hertz) == len(heard.decibels) == len(heard.speech) == 32


def test_silence_has_neither_speech_nor_pitch():
    heard = hear(torch.zeros(RATE))
    assert not heard.speech.any() and not heard.hertz.any()


def test_half_a_step_of_sixteen_bits_is_silence():
    assert not hear(TONE * 10 * 2**-16).speech.any()


def test_an_offset_changes_neither_level_nor_pitch():
    heard, shifted = hear(TONE), hear(TONE + 0.3)
    assert speech_decibels(shifted.decibels, shifted.speech) == pytest.approx(
        speech_decibels(heard.decibels, heard.speech), abs=1e-3
    )
    assert torch.allclose(shifted.hertz, heard.hertz, rtol=1e-4)


def test_a_pause_has_no_pitch():
    hum = 0.005 * torch.sin(2 * math.pi * 100 * torch.arange(3 * RATE) / RATE)
    heard = hear(padded(TONE, 0, 2 * RATE) + padded(TONE, 2 * RATE, 0) + hum)
    assert not heard.hertz[120:180].any() and not heard.speech[120:180].any()


def test_one_sample_is_one_frame():
    assert len(hear(torch.ones(1)).hertz) == 1


def test_an_unknown_tracker_is_refused_by_name():
    with pytest.raises(SettingsError, match="'yin', expected one of correlation, praat"):
        hear(TONE, tracker="yin")


@pytest.mark.parametrize("wav", [torch.zeros(0), torch.full((RATE,), math.nan), torch.zeros(2, 2, RATE)])
def test_samples_that_are_not_a_clip_are_refused(wav):
    with pytest.raises(AudioError, match="expected"):
        hear(wav)
