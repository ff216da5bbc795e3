"""Noise, rooms, bands and silence against arithmetic."""

from random import Random

import pytest
import torch
from Small.bands import low_passed, with_high_band
from Small.conditions import PEAK, Chances, Conditions, draw_conditions, recorded
from Small.joining import joined, trimmed
from Small.noise import at_level, babble, level_of, pink, white, with_noise
from Small.room import impulse_response, in_room


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def decibels(power: torch.Tensor) -> float:
    return 10 * power.log10().item()


def tone(hertz: float, seconds: float = 1.0) -> torch.Tensor:
    time = torch.arange(round(seconds * 16000), dtype=torch.float64) / 16000
    return torch.sin(2 * torch.pi * hertz * time).float()


def powers(wave: torch.Tensor) -> torch.Tensor:
    return torch.fft.rfft(wave.double()).abs().square()  # 1 Hz a bin for a second


@pytest.mark.parametrize("snr", [0.0, 5.0, 30.0])
@pytest.mark.parametrize("kind", [white, pink])
def test_noise_lies_as_far_below_the_wave_as_was_said(kind, snr):
    wave = 0.1 * tone(440)
    noise = with_noise(wave, kind(16000, generator()), snr) - wave
    assert decibels(wave.square().mean() / noise.square().mean()) == pytest.approx(snr, abs=0.01)


def test_noise_lies_below_the_speech_and_not_below_speech_and_silence():
    heard = recorded(tone(440), Conditions(1.0, 2.0, level=-20.0, noise="white", snr_decibels=10.0), 0)
    assert level_of(heard[:16000]) == pytest.approx(-30.0, abs=0.2)  # before the speech there is the noise alone
    assert level_of(heard[16000:32000]) == pytest.approx(-19.6, abs=0.1)  # 10 log10(0.01 + 0.001)


def test_white_noise_gains_three_decibels_an_octave_on_pink():
    octaves = [(500, 1000), (1000, 2000), (2000, 4000)]
    for kind, step in ((white, 3.01), (pink, 0.0)):
        power = powers(kind(16000, generator()))
        levels = [decibels(power[low:high].sum()) for low, high in octaves]
        assert [levels[1] - levels[0], levels[2] - levels[1]] == pytest.approx([step, step], abs=0.5)


def test_babble_has_each_voice_equally_loud_and_goes_on_past_the_end_of_a_clip():
    clips = [0.001 * tone(200, 0.5), tone(3000, 0.5)]
    power = powers(babble(clips, 16000, generator(3), voices=40))
    low, high = power[200], power[3000]
    assert low > 0 and high > 0
    assert level_of(babble(clips, 16000, generator())[-1600:]) > -10


def test_babble_without_clips_is_refused():
    with pytest.raises(ValueError, match="there is none: choose white or pink"):
        recorded(tone(440), Conditions(noise="babble"), 0)


def test_an_unknown_noise_is_refused():
    with pytest.raises(ValueError, match="no noise 'brown', expected white, pink or babble"):
        recorded(tone(440), Conditions(noise="brown"), 0)


@pytest.mark.parametrize("rt60", [0.2, 0.5, 1.0])
def test_reverberation_falls_by_sixty_decibels_in_its_rt60(rt60):
    tail = impulse_response(rt60, 0.0, generator())[1:].double().square()
    left = tail.flip(0).cumsum(0).flip(0)  # Schroeder's integral
    curve = 10 * (left / left[0]).log10()
    first, last = int((curve > -5).sum()), int((curve > -25).sum())
    assert 3 * (last - first) / 16000 == pytest.approx(rt60, rel=0.1)  # T20


def test_the_direct_sound_has_its_share():
    response = impulse_response(0.4, 9.0, generator())
    assert decibels(response[0].square() / response[1:].square().sum()) == pytest.approx(9.0, abs=0.01)


def test_a_room_convolves():
    wave, response = white(50, generator(1)), impulse_response(0.01, 3.0, generator(2))
    by_sums = [
        sum(float(wave[i] * response[n - i]) for i in range(50) if 0 <= n - i < len(response))
        for n in range(50 + len(response) - 1)
    ]
    assert in_room(wave, response).tolist() == pytest.approx(by_sums, abs=1e-4)


def test_a_room_without_time_is_refused():
    with pytest.raises(ValueError, match="RT60 is 0 s"):
        impulse_response(0.0, 3.0, generator())


@pytest.mark.parametrize("hertz", [3400, 4000, 5500])
def test_nothing_is_left_above_the_band_and_all_below_it(hertz):
    wave = white(16000, generator())
    before, after = powers(wave), powers(low_passed(wave, hertz))
    assert decibels(after[hertz:].sum() / before[hertz:].sum()) < -100
    kept = int(0.95 * hertz)
    assert torch.allclose(after[:kept], before[:kept], rtol=1e-3)


def test_the_band_of_a_clip_that_is_not_a_second_long_is_cut_at_the_same_frequency():
    wave = low_passed(white(20001, generator()), 4000)
    power, hertz = torch.fft.rfft(wave).abs().square(), torch.fft.rfftfreq(20001, 1 / 16000)
    assert decibels(power[hertz > 4000].sum() / power.sum()) < -100


def test_a_high_band_is_a_weaker_copy_of_what_lies_below_it():
    wave = low_passed(white(16000, generator()), 5500)
    before, after = powers(wave), powers(with_high_band(wave, 5500, -12.0))
    assert torch.allclose(after[:5500], before[:5500], rtol=1e-3, atol=1e-3)
    assert decibels(after[5500:8000].sum() / before[3000:5500].sum()) == pytest.approx(-12.0, abs=0.1)


def test_a_band_that_has_too_little_below_its_end_is_not_copied():
    with pytest.raises(ValueError, match="band ends at 3000 Hz, expected 4000 to 8000"):
        with_high_band(tone(440), 3000, -12.0)


def test_a_level_is_that_of_the_speech():
    heard = recorded(0.5 * tone(440), Conditions(0.5, 0.25, level=-30.0), 0)
    assert len(heard) == 8000 + 16000 + 4000
    assert level_of(heard[8000:24000]) == pytest.approx(-30.0, abs=0.01)
    assert not heard[:8000].any() and not heard[24000:].any()


def test_a_gain_changes_the_level_by_its_decibels():
    wave = at_level(tone(440), -30.0)
    assert level_of(recorded(wave, Conditions(gain=-6.0), 0)) == pytest.approx(-36.0, abs=0.01)


def test_a_room_does_not_change_the_level_of_what_is_spoken():
    heard = recorded(white(16000, generator()), Conditions(level=-25.0, rt60_seconds=0.5, direct_decibels=0.0), 0)
    assert level_of(heard[:16000]) == pytest.approx(-25.0, abs=0.01)
    assert len(heard) == 16000 + 64 + 8000 - 1


def test_a_peak_stays_within_full_scale():
    assert recorded(tone(440), Conditions(level=0.0, noise="white", snr_decibels=0.0), 0).abs().max() <= PEAK + 1e-6


def test_the_same_seed_gives_the_same_samples_and_another_does_not():
    conditions = draw_conditions(Random(5), Chances(room=1.0, noise=1.0, kinds=("pink",)))
    one, two, other = (recorded(tone(440), conditions, seed) for seed in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, other)


def test_shares_and_ranges_are_met():
    drawn = [draw_conditions(Random(number)) for number in range(2000)]
    assert sum(each.rt60_seconds is not None for each in drawn) / 2000 == pytest.approx(0.3, abs=0.04)
    assert sum(each.snr_decibels < 60 for each in drawn) / 2000 == pytest.approx(0.4, abs=0.04)
    assert sum(each.noise is None for each in drawn) / 2000 == pytest.approx(0.6 * 0.25, abs=0.04)
    assert all(0 <= each.lead_seconds <= 1.2 and 0 <= each.trail_seconds <= 1.2 for each in drawn)
    assert {each.low_pass_hertz for each in drawn} == {None, 3400.0, 4000.0, 5500.0}
    assert all(-42 <= each.level <= -18 for each in drawn)


def test_only_the_silence_at_the_ends_goes():
    silence, sound = torch.zeros(4800), torch.ones(1600)
    assert len(trimmed(torch.cat([silence, sound, silence, sound, silence]))) == 1600 + 4800 + 1600 + 2 * 480


def test_pauses_stand_between_the_sentences():
    wave = joined([torch.ones(100), torch.ones(50), torch.ones(10)], [0.01, 0.02])
    assert len(wave) == 100 + 160 + 50 + 320 + 10
    assert not wave[100:260].any() and wave[260] == 1


def test_pauses_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="2 pauses for 2 waves"):
        joined([torch.ones(1), torch.ones(1)], [0.1, 0.1])
