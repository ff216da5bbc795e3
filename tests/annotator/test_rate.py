"""Syllables counted by hand, and in generated signals."""

import math

import pytest
import torch

from speechbrain_xser.annotator.analysis import hear
from speechbrain_xser.annotator.rate import Rate, rate_of, speech_seconds
from speechbrain_xser.annotator.syllables import count_nuclei, count_syllables
from speechbrain_xser.errors import SettingsError

RATE = 16000


def syllables(count: int, seconds: float = 0.2) -> torch.Tensor:
    """The given number of voiced swells."""
    place = torch.arange(round(count * seconds * RATE)) / RATE
    swell = 0.55 - 0.45 * torch.cos(2 * math.pi * place / seconds)
    return 0.2 * swell * sum(torch.sin(2 * math.pi * 150 * k * place) / k for k in range(1, 6))


@pytest.mark.parametrize(
    "transcript, language, count",
    [
        ("Kids are talking by the door", "en", 7),
        ("Dogs are sitting by the door", "en", 7),
        ("Don't forget a jacket", "en", 6),
        ("DON'T FORGET A JACKET", "en", 6),
        ("It cost 42 dollars", "en", 7),
        ("Mr. Smith met Dr. Jones", "en", 7),
        ("NASA and the USA", "en", 7),
        ("a bottle, a button, the rhythm", "en", 9),
        ("Der Lappen liegt auf dem Eisschrank.", "de", 8),
        ("le chat noir dort", "fr", 4),
        ("悲伤逆流成河。", "zh", 6),
        ("...", "en", 0),
    ],
)
def test_syllables_are_counted_as_read_aloud(transcript, language, count):
    assert count_syllables(transcript, language) == count


def test_chinese_characters_in_another_language_cannot_be_counted():
    assert count_syllables("東京へ行きます", "ja") is None


def test_an_unknown_language_is_refused_by_name():
    with pytest.raises(SettingsError, match="'xx'.*no such voice"):
        count_syllables("hello", "xx")


@pytest.mark.parametrize("count", [1, 3, 10])
def test_voiced_swells_count_as_syllables(count):
    assert count_nuclei(hear(syllables(count))) == count


def test_swells_of_noise_are_not_syllables():
    noise = torch.randn(RATE, generator=torch.Generator().manual_seed(0))
    assert count_nuclei(hear(0.1 * noise * (1.1 + torch.sin(2 * math.pi * 5 * torch.arange(RATE) / RATE)))) <= 1


def test_a_pause_of_a_second_does_not_slow_the_rate():
    pause, spoken = torch.zeros(RATE), syllables(5)
    assert rate_of(hear(torch.cat([spoken, pause, spoken]))).syllables_per_second == pytest.approx(5.0, rel=0.06)


def test_the_transcript_is_preferred_and_named_as_the_source():
    assert rate_of(hear(syllables(10)), "yes") == Rate(0.5, "transcript")


@pytest.mark.parametrize("transcript", [None, "", "?!", "東京"])
def test_without_words_to_count_the_signal_is_counted(transcript):
    found = rate_of(hear(syllables(10)), transcript)
    assert (found.syllables_per_second, found.counted_from) == (pytest.approx(5.0, rel=0.02), "signal")


def test_a_rate_needs_a_fifth_of_a_second_of_speech():
    assert rate_of(hear(syllables(1, 0.15)), "yes") == Rate(None, None)


def test_seconds_of_speech_leave_pauses_out():
    spoken = hear(torch.cat([syllables(5), torch.zeros(RATE), syllables(5)]))
    assert speech_seconds(spoken) == pytest.approx(2.0, abs=0.08)
