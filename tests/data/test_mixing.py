"""One channel of several, and its offset."""

import numpy as np
import soundfile
import torch

from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.mixing import Track, mixed
from speechbrain_xser.data.waveform import offset_of
from speechbrain_xser.timeline.recording import Recording

NOISE = 0.1 * torch.randn(16000, 2, generator=torch.Generator().manual_seed(1))


def heard(samples: torch.Tensor) -> torch.Tensor:
    return torch.cat([voice.samples for voice in mixed([Track(samples, 16000, ("FL", "FR"))], "a.wav")])


def test_an_offset_of_whole_steps_is_removed_exactly():
    speech = NOISE[:, :1].sub(NOISE[:, :1].mean()).mul(32768).round() / 32768
    wanted = heard(speech)
    assert torch.equal(heard(speech + 0.25), wanted) and torch.equal(heard(wanted[:, None]), wanted)


def test_a_clip_without_an_offset_stays_bit_by_bit():
    wave = torch.sin(2 * torch.pi * 100 * torch.arange(16000) / 16000)[:, None]
    assert torch.equal(heard(wave), wave[:, 0])


def test_inverted_stereo_gives_its_louder_side_and_a_warning(caplog):
    assert torch.allclose(heard(NOISE[:, :1] * torch.tensor([0.9, -1.0])), -NOISE[:, 0], atol=1e-4)
    assert "a.wav: its 2 channels cancel" in caplog.text and "channel 2 is used" in caplog.text


def test_unrelated_and_silent_sides_are_averaged_without_a_warning(caplog):
    for samples in (NOISE, NOISE * torch.tensor([1.0, 0.0]), torch.zeros(100, 2)):
        assert torch.allclose(heard(samples), samples.mean(1), atol=1e-3)
    assert not caplog.text


def test_the_offset_of_a_long_recording_is_that_of_its_first_half_minute(tmp_path):
    samples = np.concatenate([np.full(31 * 8000, 0.125), np.full(9 * 8000, 0.5)])
    soundfile.write(tmp_path / "a.wav", samples, 8000)
    wave, blocks = load_audio(tmp_path / "a.wav", sample_rate=8000), list(Recording(tmp_path / "a.wav", 8000).blocks())
    assert torch.equal(torch.cat(blocks), wave) and wave[:10].eq(0).all() and wave[-10:].eq(0.375).all()


def test_samples_that_are_refused_do_not_make_an_offset():
    assert offset_of(torch.tensor([0.5, float("nan"), 1e30, float("inf")]), 16000) == 0.5
