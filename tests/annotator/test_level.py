"""Level and speech of generated signals."""

import math

import pytest
import torch

from speechbrain_xser.annotator.level import frame_decibels, speech_decibels, speech_frames

RATE = 16000


def tone(seconds: float, gain: float = 1.0) -> torch.Tensor:
    return gain * torch.sin(2 * math.pi * 200 * torch.arange(round(seconds * RATE)) / RATE)


def frames(*parts: tuple[float, float]) -> torch.Tensor:
    """A signal of the given levels, each for the given seconds."""
    return torch.cat([torch.full((round(seconds * 100),), decibels) for decibels, seconds in parts])


def seconds_of(speech: torch.Tensor) -> float:
    return speech.sum().item() / 100


def test_a_full_scale_sine_is_three_decibels_below_full_scale():
    assert frame_decibels(tone(1.0))[50].item() == pytest.approx(-3.01, abs=0.01)


def test_half_the_amplitude_is_six_decibels_less():
    loud, soft = frame_decibels(tone(1.0)), frame_decibels(tone(1.0, 0.5))
    assert (loud - soft).tolist() == pytest.approx([6.0206] * len(loud), abs=1e-3)


def test_silence_is_at_the_floor():
    assert frame_decibels(torch.zeros(RATE)).unique().tolist() == [-200]


def test_a_frame_is_centred_on_its_time():
    step = torch.cat([torch.zeros(RATE), torch.ones(RATE)])
    assert frame_decibels(step)[100].item() == pytest.approx(-3.01, abs=0.01)  # half of its samples


def test_a_gap_of_a_fifth_of_a_second_is_part_of_speaking():
    speech = speech_frames(frames((-20, 1.0), (-70, 0.2), (-20, 1.0)))
    assert seconds_of(speech) == 2.2


def test_a_gap_of_half_a_second_is_a_pause():
    speech = speech_frames(frames((-20, 1.0), (-70, 0.5), (-20, 1.0)))
    assert seconds_of(speech) == pytest.approx(2.0, abs=0.05)


def test_a_click_is_not_speech():
    speech = speech_frames(frames((-20, 1.0), (-70, 0.6), (-22, 0.01), (-70, 0.6), (-20, 1.0)))
    assert not speech[130:215].any()


def test_noise_twenty_decibels_below_the_speech_is_a_pause():
    speech = speech_frames(frames((-20, 1.0), (-40, 0.5), (-20, 1.0)))
    assert seconds_of(speech) == pytest.approx(2.0, abs=0.05)


def test_inserted_silence_does_not_make_noise_speech():
    speech = speech_frames(frames((-20, 1.0), (-45, 0.5), (-20, 1.0), (-200, 0.5), (-20, 1.0)))
    assert seconds_of(speech) == pytest.approx(3.0, abs=0.1)


def test_a_clip_without_any_pause_is_all_speech():
    generator = torch.Generator().manual_seed(0)
    assert speech_frames(-20 + 2 * torch.randn(200, generator=generator)).all()


def test_pauses_do_not_make_a_voice_soft():
    decibels = frames((-20, 1.0), (-90, 3.0), (-20, 1.0))
    assert speech_decibels(decibels, speech_frames(decibels)) == pytest.approx(-20, abs=0.2)


def test_the_level_is_the_mean_of_power_not_of_decibels():
    decibels = torch.tensor([-20.0, -40.0])
    mean = 10 * math.log10((1e-2 + 1e-4) / 2)
    assert speech_decibels(decibels, torch.tensor([True, True])) == pytest.approx(mean)


def test_no_speech_has_no_level():
    assert speech_decibels(torch.tensor([-20.0]), torch.tensor([False])) is None
