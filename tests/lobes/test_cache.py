"""An encoder that hears each clip once: the same states, whoever asked first, and nothing lost where a disk fails."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from speechbrain_xser.lobes import cache as cached_module
from speechbrain_xser.lobes.cache import CachedEncoder
from speechbrain_xser.lobes.encoder import FrozenEncoder
from speechbrain_xser.lobes.states import LayerStates, level_db
from speechbrain_xser.testing import tiny_encoder_folder

WAVS = torch.randn(3, 8000, generator=torch.Generator().manual_seed(0))
SAMPLES = torch.tensor([8000, 5000, 6500])


class Counted(nn.Module):
    """An encoder that counts the clips that it hears."""

    layer_count, width, sample_rate, frame_rate = 2, 4, 16000, 50.0

    def __init__(self):
        super().__init__()
        self.heard = 0

    def frame_counts(self, samples):
        return (samples // 320).clamp(min=1)

    def forward(self, wavs, samples):
        self.heard += len(wavs)
        frames = self.frame_counts(samples)
        layers = wavs[:, : int(frames.max()) * 320].reshape(len(wavs), -1, 320)[..., :4]
        return LayerStates(torch.stack([layers, 2 * layers]), frames, level_db(wavs, samples))


@pytest.fixture
def counted(tmp_path):
    encoder = Counted()
    return encoder, CachedEncoder(encoder, tmp_path, "name")


def test_a_clip_is_heard_once_whatever_stands_beside_it(counted):
    encoder, cached = counted
    cached(WAVS, SAMPLES)
    again = cached(WAVS[[2, 0]], SAMPLES[[2, 0]])
    assert encoder.heard == 3
    assert torch.equal(again.layers[0, 1, :25, 0], WAVS[0, ::320].bfloat16().float())


def test_padding_and_levels_are_those_of_the_clips(counted):
    states = counted[1](WAVS, SAMPLES)
    assert states.frames.tolist() == [25, 15, 20]
    assert states.layers[:, 1, 15:].abs().sum() == 0
    torch.testing.assert_close(states.level, level_db(WAVS, SAMPLES))


def test_a_real_encoders_states_are_kept_to_the_rounding_of_the_type(tmp_path):
    encoder = FrozenEncoder(tiny_encoder_folder(tmp_path / "encoder"))
    exact, kept = encoder(WAVS, SAMPLES), CachedEncoder(encoder, tmp_path, "name", torch.float32)(WAVS, SAMPLES)
    rounded = CachedEncoder(encoder, tmp_path, "name")(WAVS, SAMPLES)
    for row, count in enumerate(exact.frames.tolist()):
        torch.testing.assert_close(kept.layers[:, row, :count], exact.layers[:, row, :count], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(rounded.layers[:, row, :count], exact.layers[:, row, :count], atol=0.02, rtol=0.01)


def test_what_is_kept_does_not_depend_on_the_batch_in_any_bit(tmp_path):
    encoder = FrozenEncoder(tiny_encoder_folder(tmp_path / "encoder"))
    together = CachedEncoder(encoder, tmp_path / "a", "name", torch.float32)(WAVS, SAMPLES)
    alone = CachedEncoder(encoder, tmp_path / "b", "name", torch.float32)(WAVS[1:2, :5000], SAMPLES[1:2])
    assert torch.equal(together.layers[:, 1, : int(SAMPLES[1] // 320)], alone.layers[:, 0, : int(SAMPLES[1] // 320)])


def test_half_a_file_is_heard_again(counted):
    encoder, cached = counted
    first = cached(WAVS[:1], SAMPLES[:1])
    [path] = cached.folder.rglob("*.safetensors")
    path.write_bytes(path.read_bytes()[:100])
    assert torch.equal(cached(WAVS[:1], SAMPLES[:1]).layers, first.layers) and encoder.heard == 2
    assert torch.equal(cached(WAVS[:1], SAMPLES[:1]).layers, first.layers) and encoder.heard == 2


def test_another_encoder_or_another_sound_is_never_taken_for_it(tmp_path):
    encoder = Counted()
    CachedEncoder(encoder, tmp_path, "one")(WAVS[:1], SAMPLES[:1])
    CachedEncoder(encoder, tmp_path, "other")(WAVS[:1], SAMPLES[:1])
    CachedEncoder(encoder, tmp_path, "one")(WAVS[:1], SAMPLES[:1] - 1)
    assert encoder.heard == 3


def test_a_disk_that_takes_nothing_ends_the_keeping_and_not_the_run(tmp_path, caplog):
    place = tmp_path / "file"
    place.write_text("no folder")
    cached = CachedEncoder(Counted(), place, "name")
    for _ in range(2):
        assert cached(WAVS, SAMPLES).frames.tolist() == [25, 15, 20]
    assert caplog.text.count("clips are not kept") == 1


def test_it_saves_and_trains_nothing_of_its_own(tmp_path):
    cached = CachedEncoder(FrozenEncoder(tiny_encoder_folder(tmp_path / "encoder")), tmp_path, "name")
    assert not cached.state_dict() and not any(p.requires_grad for p in cached.train().parameters())


def test_threads_that_hear_a_clip_at_once_do_not_write_into_one_file(counted, monkeypatch):
    together, written = Barrier(2, timeout=60), []

    def save(tensors, path):
        together.wait()  # neither has moved its file into place
        written.append(path)
        save_file(tensors, path)

    monkeypatch.setattr(cached_module, "save_file", save)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: counted[1](WAVS[:1], SAMPLES[:1]), range(2)))
    assert len(set(written)) == 2
