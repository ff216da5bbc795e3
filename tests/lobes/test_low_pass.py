"""The low-pass filter, against scipy's design and on padded batches."""

import numpy as np
import pytest
import scipy.signal
import torch

from speechbrain_xser.errors import BackboneError
from speechbrain_xser.lobes import FrozenEncoder
from speechbrain_xser.lobes.low_pass import TAPS, LowPass
from speechbrain_xser.testing import tiny_encoder_folder


def test_it_is_scipys_filter():
    wav = torch.randn(1, 4000)
    taps = scipy.signal.firwin(TAPS, 5000, fs=16000, window="hamming")
    expected = np.convolve(wav[0].numpy(), taps, mode="same")
    np.testing.assert_allclose(LowPass(5000, 16000)(wav, torch.tensor([4000]))[0], expected, atol=1e-5)


def test_nothing_above_the_band_is_left():
    filtered = LowPass(5000, 16000)(torch.randn(1, 16000), torch.tensor([16000]))[0]
    power = torch.fft.rfft(filtered).abs().square()  # a bin a hertz
    assert power[5300:].sum() / power.sum() < 1e-4
    assert power[200:4800].mean() == pytest.approx(16000, rel=0.1)  # of white noise with variance 1, untouched


def test_a_clip_alone_and_padded_in_a_batch_sounds_the_same():
    low_pass, wavs = LowPass(5000, 16000), torch.randn(2, 9000)
    batch = low_pass(wavs, torch.tensor([9000, 5000]))
    assert torch.allclose(low_pass(wavs[1:, :5000], torch.tensor([5000]))[0], batch[1, :5000], atol=1e-5)
    assert not batch[1, 5000:].any()


def test_an_encoder_with_a_band_hears_no_more(tmp_path):
    folder, samples = tiny_encoder_folder(tmp_path, "whisper"), torch.tensor([16000])
    wav = torch.randn(1, 16000)
    heard = FrozenEncoder(folder, band_hertz=5000)(wav, samples).layers
    expected = FrozenEncoder(folder)(LowPass(5000, 16000)(wav, samples), samples).layers
    assert torch.equal(heard, expected) and not torch.equal(heard, FrozenEncoder(folder)(wav, samples).layers)


@pytest.mark.parametrize("hertz", [0, 8000])
def test_a_band_that_there_cannot_be_is_refused(tmp_path, hertz):
    with pytest.raises(BackboneError, match="band_hertz"):
        FrozenEncoder(tiny_encoder_folder(tmp_path), band_hertz=hertz)
