"""Resampling in blocks equals resampling the whole."""

import pytest
import torch
from torchaudio.functional import resample

from speechbrain_xser.data.resampler import Resampler
from speechbrain_xser.errors import AudioError


def in_blocks(wave, rate, sizes):
    resampler, parts, at, turn = Resampler(rate, 16000), [], 0, 0
    while at < len(wave):
        size = sizes[turn % len(sizes)]
        parts.append(resampler.push(wave[at : at + size]))
        at, turn = at + size, turn + 1
    return torch.cat([*parts, resampler.flush()])


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("sizes", [[40000], [1, 7, 4410], [1024]])
def test_blocks_give_the_samples_of_the_whole(rate, sizes):
    wave = torch.randn(3000 if 1 in sizes else 50000, generator=torch.Generator().manual_seed(rate))
    whole = resample(wave, rate, 16000)
    found = in_blocks(wave, rate, sizes)
    assert len(found) == len(whole) and (found - whole).abs().max() < 1e-6


@pytest.mark.parametrize("length", [1, 2, 100, 441, 442])
def test_a_recording_shorter_than_the_filter_is_resampled_as_the_whole_is(length):
    wave = torch.randn(length, generator=torch.Generator().manual_seed(length))
    found = in_blocks(wave, 44100, [3])
    assert torch.allclose(found, resample(wave, 44100, 16000), atol=1e-6)


def test_one_rate_changes_nothing():
    wave = torch.randn(5000)
    assert torch.equal(in_blocks(wave, 16000, [999]), wave)


def test_memory_does_not_grow_with_the_stream():
    resampler = Resampler(44100, 16000)
    for _ in range(50):
        resampler.push(torch.zeros(10000))
    assert resampler._held.untyped_storage().nbytes() < 4 * 3 * 441  # three periods of 4 bytes a sample


def test_a_rate_whose_filter_would_take_gigabytes_is_refused():
    with pytest.raises(AudioError, match="talk.wav: 47999 Hz has no small ratio"):
        Resampler(47999, 16000, "talk.wav")
