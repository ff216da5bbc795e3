"""Sound passed in memory: used as it was meant, or refused with what came and what was expected."""

import array

import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import resample_poly

from speechbrain_xser.annotator.analysis import hear
from speechbrain_xser.annotator.measures import measure
from speechbrain_xser.data.arrays import batch_of, clip_of
from speechbrain_xser.errors import AudioError
from speechbrain_xser.evidence.claims import check_claims

RATE = 16000
RAMP = np.arange(8, dtype=np.float32) / 8 - np.float32(7 / 16)  # without an offset, which would be taken out
TONE = (0.5 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)).astype(np.float32)

SAME = {
    "a tensor": torch.tensor(RAMP),
    "float64": torch.tensor(RAMP).double(),
    "float16": torch.tensor(RAMP).half(),
    "bfloat16": torch.tensor(RAMP).bfloat16(),
    "with a gradient": torch.tensor(RAMP).requires_grad_(),
    "strided": torch.tensor(RAMP).repeat_interleave(2)[::2],
    "numpy": RAMP,
    "numpy float64": RAMP.astype(np.float64),
    "numpy float16": RAMP.astype(np.float16),
    "long doubles": RAMP.astype(np.longdouble),
    "the other byte order": RAMP.astype(RAMP.dtype.newbyteorder()),
    "negative strides": RAMP[::-1].copy()[::-1],
    "Fortran's order": np.asfortranarray(np.stack([RAMP, RAMP])),
    "a list": RAMP.tolist(),
    "a tuple": tuple(RAMP.tolist()),
    "a list of tensors of one sample": list(torch.tensor(RAMP)),
    "array.array": array.array("f", RAMP),
    "[1, S]": RAMP[None],
    "[S, 1]": RAMP[:, None],
    "[2, S]": np.stack([RAMP + 0.1, RAMP - 0.1]),
    "[S, 2]": np.stack([RAMP + 0.1, RAMP - 0.1], 1),
    "as torchaudio gives it": (torch.tensor(RAMP)[None], RATE),
    "as soundfile gives it": (np.stack([RAMP, RAMP], 1), RATE),
    "a rate of numpy": (RAMP, np.int64(RATE)),
    "a rate that is a float": (RAMP, 16000.0),
    "a rate in a tensor": (RAMP, torch.tensor(RATE)),
}


@pytest.mark.parametrize("kind", SAME)
def test_a_clip_is_the_same_however_it_is_held(kind):
    found = clip_of(SAME[kind])
    assert found.dtype == torch.float32 and not found.requires_grad
    torch.testing.assert_close(found, torch.tensor(RAMP), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", SAME)
def test_a_clip_of_any_kind_is_one_of_a_batch(kind):
    wavs, samples = batch_of([SAME[kind], RAMP[:3]])
    assert wavs.shape == (2, 8) and samples.tolist() == [8, 3]
    torch.testing.assert_close(wavs[0], torch.tensor(RAMP), atol=1e-6, rtol=0)
    assert wavs[1].tolist() == [-0.125, 0, 0.125, 0, 0, 0, 0, 0]  # the ramp less its own mean


def test_a_read_only_array_is_copied_without_a_warning(recwarn):
    fixed = RAMP.copy()
    fixed.flags.writeable = False
    found = clip_of(fixed)
    found[0] = 1
    assert fixed[0] == RAMP[0] and len(recwarn) == 0


@pytest.mark.parametrize("given", [{"sampling_rate": 8000}, {}])
def test_another_rate_is_resampled_as_scipy_does(given):
    slow = (0.5 * np.sin(2 * np.pi * 220 * np.arange(8000) / 8000)).astype(np.float32)
    found = clip_of(slow if given else (slow, 8000), **given)
    assert found.shape == (RATE,)
    middle = slice(1000, -1000)
    np.testing.assert_allclose(found[middle], resample_poly(slow, 2, 1)[middle], atol=2e-3)
    np.testing.assert_allclose(found[middle], TONE[middle], atol=2e-3)


def test_each_row_of_a_batch_is_resampled_alone():
    slow = TONE[::2]
    padded = np.stack([slow, np.where(np.arange(8000) < 2000, slow, np.nan)])
    wavs, samples = batch_of(padded, [1.0, 0.25], sampling_rate=8000)
    assert samples.tolist() == [16000, 4000] and wavs[1, 4000:].abs().sum() == 0
    assert torch.equal(wavs[1, :4000], clip_of(slow[:2000], 8000))


def test_an_array_of_soundfile_needs_no_conversion(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.stack([TONE, TONE], 1), 8000, subtype="FLOAT")
    found = clip_of(soundfile.read(tmp_path / "a.wav"))
    assert torch.equal(found, clip_of(TONE, 8000))


def test_a_pair_alone_is_a_batch_of_one():
    wavs, samples = batch_of((torch.tensor(TONE)[None], RATE))
    assert wavs.shape == (1, RATE) and samples.tolist() == [RATE]


@pytest.mark.parametrize("none", [[], (), torch.zeros(0, 16), np.zeros((0, 16))])
def test_no_clips_are_an_empty_batch(none):
    wavs, samples = batch_of(none)
    assert len(wavs) == len(samples) == 0


def test_lengths_may_be_any_numbers():
    for lengths in ([1, 0.5], (1.0, 0.5), np.array([0.5, 1.0])[::-1], torch.tensor([1.0, 0.5]).half()):
        assert batch_of(torch.ones(2, 8), lengths)[1].tolist() == [8, 4]


class Foreign:
    """An array of a library that does not expose its samples."""

    def __array__(self, *_, **__):
        raise RuntimeError("on another device")


CLIPS = {
    "int16": (np.ones(9, "int16"), "int16 of shape .9.; expected floats.*Divide int16 samples, for example, by 32768"),
    "an int16 tensor": (torch.ones(9, dtype=torch.int16), "torch.int16 of shape .9.; expected floats"),
    "bools": (np.ones(9, bool), "bool of shape .9.; expected floats"),
    "complex": (torch.ones(9, dtype=torch.complex64), "complex64 of shape .9.; expected floats"),
    "whole numbers in a list": ([0, 1, 2], "int64 of shape .3.; expected floats"),
    "a path": ("a.wav", "wav is str.*Pass files to explain_file"),
    "bytes": (b"RIFF", "wav is bytes"),
    "nothing": (None, "wav is NoneType"),
    "a dictionary": ({"array": TONE, "sampling_rate": RATE}, "wav is dict"),
    "a number": (0.5, "wav is float"),
    "a ragged list": ([[0.1, 0.2], [0.3]], "wav is list"),
    "words": (["a", "b"], "wav is list"),
    "an array that is not given away": (Foreign(), "wav is Foreign.*on another device"),
    "three dimensions": (np.zeros((1, 2, 9), "f4"), r"shape \[1, 2, 9\]; expected \[S\]"),
    "as many channels as samples": (np.zeros((4, 4), "f4"), r"shape \[4, 4\]"),
    "a picture": (np.zeros((480, 640), "f4"), r"shape \[480, 640\]"),
    "a sparse tensor": (torch.zeros(9).to_sparse(), "expected a dense one"),
    "a tensor without memory": (torch.zeros(9, device="meta"), "on meta; expected a dense one"),
    "empty": (np.zeros(0, "f4"), "no samples"),
    "no channels": (torch.zeros(0, 9), "no samples"),
    "NaN": (np.full(9, np.nan), "9 of 9 samples are NaN"),
    "too large for float32": (np.full(9, 1e300), "9 of 9 samples are NaN or Inf"),
    "16 bits as floats": (np.full(9, 32000.0), "peak 32000"),
    "a rate of nothing": ((TONE, 0), "sampling_rate is 0; expected whole hertz"),
    "a rate below nothing": ((TONE, -16000), "sampling_rate is -16000"),
    "half a hertz": ((TONE, 16000.5), "sampling_rate is 16000.5"),
    "no rate": ((TONE, float("nan")), "sampling_rate is nan"),
    "a rate as scipy's reader has it, first": ((RATE, TONE), "wav is tuple"),
}


@pytest.mark.parametrize("kind", CLIPS)
def test_a_value_that_is_not_a_clip_is_refused_with_what_was_expected(kind):
    sound, message = CLIPS[kind]
    with pytest.raises(AudioError, match=message) as error:
        clip_of(sound)
    assert "\n" not in str(error.value)


def test_two_rates_that_differ_are_refused():
    with pytest.raises(AudioError, match="sampling_rate is 8000, but the sound has 16000"):
        clip_of((TONE, RATE), 8000)
    assert len(clip_of((TONE, RATE), RATE)) == RATE


@pytest.mark.parametrize("rate", ["16000", True, [16000], np.array([16000])])
def test_an_invalid_rate_is_refused(rate):
    with pytest.raises(AudioError, match="expected whole hertz"):
        clip_of(TONE, rate)


def test_a_clip_that_becomes_long_is_refused_before_it_is_resampled():
    with pytest.raises(AudioError, match="16000.00 s long, expected at most 30 s"):
        clip_of(TONE, 1, max_seconds=30)


BATCHES = {
    "one clip": (TONE, None, r"expected floats \[B, S\], or a list of clips"),
    "a list of numbers": (TONE[:9].tolist(), None, "a list of 9 numbers; expected clips. One clip is .clip."),
    "[S, 1]": (TONE[:, None], None, r"\[16000, 1\]: more clips than samples in each"),
    "[S, 2]": (np.stack([TONE, TONE], 1), None, "more clips than samples in each"),
    "lengths beside a list": ([TONE, TONE[:99]], [1.0, 0.5], "wav_lens with a list of clips"),
    "lengths that are words": (torch.ones(1, 9), ["all"], "wav_lens"),
    "one length": (torch.ones(1, 9), 16000, "wav_lens is int"),
    "lengths in samples": (torch.ones(2, 9), [9, 4], "row 0: relative length 9; expected above 0 and at most 1"),
    "a clip that is none": ([TONE, "a.wav"], None, "row 1 is str"),
    "a set": ({0.5}, None, "wavs is set"),
    "a file": ("a.wav", None, "wavs is str"),
}


@pytest.mark.parametrize("kind", BATCHES)
def test_a_value_that_is_not_a_batch_is_refused_in_one_line(kind):
    sounds, lengths, message = BATCHES[kind]
    with pytest.raises(AudioError, match=message) as error:
        batch_of(sounds, lengths)
    assert "\n" not in str(error.value)


def test_the_annotator_accepts_every_input_of_the_recogniser():
    stereo = (np.stack([TONE, TONE], 1).astype(np.float64), RATE)
    assert torch.equal(hear(stereo).hertz, hear(torch.tensor(TONE)).hertz)
    assert measure(TONE[::-1]).f0_hertz == pytest.approx(220, abs=2)
    assert measure(TONE[::2], sampling_rate=8000).f0_hertz == pytest.approx(220, abs=2)
    assert check_claims("A man with low pitch.", stereo) == check_claims("A man with low pitch.", torch.tensor(TONE))
    with pytest.raises(AudioError, match="expected floats"):
        check_claims("A man.", np.ones(9, "int16"))
