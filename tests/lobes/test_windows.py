"""Long clips that an encoder hears in parts: the parts are those of the clip, and a batch changes nothing."""

import pytest
import torch

from speechbrain_xser.errors import BackboneError
from speechbrain_xser.lobes.encoder import FrozenEncoder
from speechbrain_xser.lobes.windows import Windows
from speechbrain_xser.testing import tiny_encoder_folder

RATE = 16000
SAMPLES = torch.tensor([6 * RATE + 77, 2 * RATE, 17, 11 * RATE])  # in parts of about 2 s: 3, 1, 1 and 6


@pytest.fixture(scope="module", params=["whisper", "hubert"])
def folder(request, tmp_path_factory):
    return tiny_encoder_folder(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def wavs():
    return 0.1 * torch.randn(len(SAMPLES), int(SAMPLES.max()), generator=torch.Generator().manual_seed(1))


def test_a_long_clip_has_the_states_of_its_parts_one_after_the_other(folder, wavs):
    whole, parted = FrozenEncoder(folder), FrozenEncoder(folder, window_seconds=2.0)
    found = parted(wavs, SAMPLES)
    lengths = parted.windows.parts(SAMPLES).lengths()
    assert list(map(len, lengths)) == [3, 1, 1, 6]
    for row, sizes in enumerate(lengths):
        parts = [whole(part[None], torch.tensor([len(part)])) for part in wavs[row, : sum(sizes)].split(sizes)]
        expected = torch.cat([part.layers[:, 0, : part.frames[0]] for part in parts], 1)
        assert expected.shape[1] == found.frames[row] == parted.frame_counts(SAMPLES)[row]
        torch.testing.assert_close(found.layers[:, row, : found.frames[row]], expected, atol=1e-4, rtol=1e-3)
        assert not found.layers[:, row, found.frames[row] :].any()


def test_clips_below_one_and_a_half_windows_are_heard_as_without(folder, wavs):
    samples = torch.tensor([3 * RATE - 1, 2 * RATE, 17, RATE])
    wavs = wavs[:, : 3 * RATE]
    found, expected = (FrozenEncoder(folder, window_seconds=s)(wavs, samples) for s in (2.0, None))
    assert found.frames.equal(expected.frames)
    for row, count in enumerate(found.frames):
        torch.testing.assert_close(found.layers[:, row, :count], expected.layers[:, row, :count], atol=1e-4, rtol=1e-3)


def test_every_sample_is_in_one_part_and_parts_differ_by_few_frames():
    windows = Windows(3.0, RATE, 50.0)
    samples = torch.randint(1, 30 * RATE, (500,), generator=torch.Generator().manual_seed(2))
    for total, sizes in zip(samples.tolist(), windows.parts(samples).lengths(), strict=True):
        assert sum(sizes) == total and min(sizes) > 0
        assert max(sizes) < 4.7 * RATE and (len(sizes) == 1 or min(sizes) >= 2.2 * RATE)
        assert all(size % 320 == 0 for size in sizes[:-1]) and sizes[-1] - sizes[0] <= len(sizes) * 320


@pytest.mark.parametrize("seconds", [0.0, 0.4, -3.0, float("nan")])
def test_a_window_that_is_no_length_is_refused(folder, seconds):
    with pytest.raises(BackboneError, match="window_seconds"):
        FrozenEncoder(folder, window_seconds=seconds)
