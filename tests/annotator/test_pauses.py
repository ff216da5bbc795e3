"""Pauses of signals whose gaps are known."""

import pytest
import torch

from speechbrain_xser.annotator.analysis import hear
from speechbrain_xser.annotator.pauses import pauses_of


def silence(seconds):
    return torch.zeros(round(16000 * seconds))


TONE = 0.3 * torch.sin(2 * torch.pi * 200 * torch.arange(16000) / 16000)


@pytest.mark.parametrize(("gaps", "count", "seconds"), [((), 0, 0.0), ((0.1,), 0, 0.0), ((0.6, 0.1, 1.0), 2, 1.6)])
def test_gaps_of_a_quarter_of_a_second_are_pauses(gaps, count, seconds):
    wav = torch.cat([TONE, *(part for gap in gaps for part in (silence(gap), TONE))])
    found = pauses_of(hear(wav))
    assert found.count == count and found.seconds == pytest.approx(seconds, abs=0.08 * count)  # frames overlap


def test_noise_before_and_after_the_speech_is_no_pause():
    noise = 0.003 * torch.randn(16000, generator=torch.Generator().manual_seed(0))
    assert pauses_of(hear(torch.cat([noise, TONE, noise]))) == (0, 0.0)


def test_silence_has_none():
    assert pauses_of(hear(silence(1.0))) == (0, 0.0)
