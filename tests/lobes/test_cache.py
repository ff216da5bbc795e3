"""An encoder that hears each clip once: the same states, whoever asked first, and nothing lost where a disk fails."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from speechbrain_xser.lobes import cache as cached_module
from speechbrain_xser.lobes.cache import CachedEncoder, copying_pays
from speechbrain_xser.lobes.encoder import FrozenEncoder
from speechbrain_xser.lobes.states import LayerStates, level_db
from speechbrain_xser.model_folder.feature_cache import keep_features
from speechbrain_xser.model_folder.settings import complete_settings
from speechbrain_xser.testing import tiny_encoder_folder, tiny_lobes, tiny_model

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


def test_layers_are_copied_in_the_caches_type_and_pinned_for_a_gpu(counted, monkeypatch):
    made, original = [], torch.zeros
    monkeypatch.setattr(
        torch, "zeros", lambda *a, pin_memory=False, **k: made.append((pin_memory, k["dtype"])) or original(*a, **k)
    )
    clips = [torch.ones(2, 5, 4, dtype=torch.bfloat16), torch.ones(2, 3, 4, dtype=torch.bfloat16)]
    found = counted[1]._padded(clips, torch.device("cpu"))
    with FakeTensorMode(allow_non_fake_inputs=True):
        on_gpu = counted[1]._padded(clips, torch.device("cuda"))
    assert made == [(False, torch.bfloat16), (True, torch.bfloat16)]
    assert on_gpu.device.type == "cuda" and found.dtype == on_gpu.dtype == torch.float32
    assert found[:, 1].sum() == 2 * 3 * 4


def test_states_have_the_type_of_the_encoders_own(tmp_path):
    encoder = FrozenEncoder(tiny_encoder_folder(tmp_path / "encoder"), dtype="bfloat16")
    assert CachedEncoder(encoder, tmp_path, "name")(WAVS, SAMPLES).layers.dtype == torch.bfloat16


class HubertLarge(nn.Module):
    """Its sizes; a second of speech costs 31.5 GFLOP, or 2.5 MB."""

    layer_count, width, frame_rate = 24, 1024, 50.0

    def __init__(self, dtype):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(315_000_000, dtype=dtype, device="meta"))


@pytest.mark.parametrize(
    "dtype, device, capability, pays",
    [
        (torch.float32, "cpu", 0, True),
        (torch.float32, "cuda", 9, True),  # 2.1 ms to compute at 15 TFLOP/s, 0.5 ms to copy at 5 GB/s
        (torch.bfloat16, "cuda", 9, False),  # 0.08 ms to compute at 400 TFLOP/s
        (torch.bfloat16, "cuda", 8, False),  # 0.3 ms at 100 TFLOP/s
        (torch.bfloat16, "cuda", 12, False),
    ],
)
def test_a_cache_is_used_where_copying_is_faster_than_the_encoder(dtype, device, capability, pays):
    assert copying_pays(HubertLarge(dtype), torch.device(device), capability) == pays


def test_a_cache_that_does_not_pay_is_left_out_and_said(tmp_path, monkeypatch, caplog):
    model = tiny_model(tmp_path)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    keep_features(model, tmp_path / "features", complete_settings({"model": tiny_lobes(tmp_path)})["model"], "cuda")
    assert type(model.encoder) is FrozenEncoder and "feature_cache is not used" in caplog.text
