"""Whisper's encoder: features and states against transformers' own, a clip alone and among longer ones."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import WhisperFeatureExtractor, WhisperModel

from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.errors import AudioError, BackboneError
from speechbrain_xser.lobes import FrozenEncoder
from speechbrain_xser.lobes.whisper_features import WhisperLogMel

RECORDINGS = sorted((Path(__file__).parents[3] / "shared/data/cremad/AudioWAV").glob("*.opus"))[:1]
SAMPLES = torch.tensor([16000, 9000, 5123])


@pytest.fixture(scope="module")
def folder(folders):
    return folders["whisper", "layer"]


@pytest.fixture(scope="module")
def wavs():
    """Clips of different levels and lengths; garbage, the loudest of all, where the padding is."""
    wavs = torch.randn(3, 16000, generator=torch.Generator().manual_seed(1)) * torch.tensor([[0.3], [0.01], [0.1]])
    for wav, samples in zip(wavs, SAMPLES.tolist(), strict=True):
        wav[samples:] = 9.0
    return wavs


def expected_features(wav):
    """Those of the extractor, with 30 s of silence."""
    return WhisperFeatureExtractor()(wav.numpy(), sampling_rate=16000, return_tensors="pt").input_features


def expected_states(folder, features):
    """Embedding and layers of transformers' encoder, whose positions are cut to the features' length."""
    encoder = WhisperModel.from_pretrained(folder).eval().encoder
    frames = features.shape[2] // 2
    encoder.embed_positions = nn.Embedding.from_pretrained(encoder.embed_positions.weight[:frames])
    encoder.config.max_source_positions = frames
    states = []
    for layer in encoder.layers:
        layer.register_forward_pre_hook(lambda module, inputs: states.append(inputs[0]))
    encoder.layers[-1].register_forward_hook(lambda module, inputs, output: states.append(output))
    with torch.no_grad():
        encoder(features)
    return torch.stack(states)


@pytest.mark.parametrize("samples", [16000, 1600, 320, 479_840, 480_000])
def test_the_log_mel_spectrogram_of_noise_is_the_extractors(samples):
    wav = torch.randn(samples, generator=torch.Generator().manual_seed(samples))
    found = WhisperLogMel(WhisperFeatureExtractor())(wav[None], torch.tensor([samples // 160]))
    torch.testing.assert_close(found, expected_features(wav)[..., : samples // 160], atol=2e-5, rtol=0)


@pytest.mark.skipif(not RECORDINGS, reason="no recordings beside the checkout")
def test_the_log_mel_spectrogram_of_a_recording_is_the_extractors():
    wav = load_audio(RECORDINGS[0])
    wav = wav[: len(wav) // 320 * 320]
    found = WhisperLogMel(WhisperFeatureExtractor())(wav[None], torch.tensor([len(wav) // 160]))
    torch.testing.assert_close(found, expected_features(wav)[..., : len(wav) // 160], atol=2e-5, rtol=0)


def test_a_clip_that_fills_30_s_has_the_extractors_features_whole(folder, wavs):
    encoder = FrozenEncoder(folder, pad_to_seconds=30)
    padded = encoder.network._padded(wavs, SAMPLES, 1500)
    found = encoder.network.log_mel(padded, torch.full((3,), 3000))
    for row, samples in enumerate(SAMPLES.tolist()):
        torch.testing.assert_close(found[row : row + 1], expected_features(wavs[row, :samples]), atol=2e-5, rtol=0)


def test_a_quiet_clip_keeps_its_own_range_beside_a_loud_one():
    quiet, loud = 1e-3 * torch.randn(1600), torch.randn(1600)
    log_mel, frames = WhisperLogMel(WhisperFeatureExtractor()), torch.tensor([10, 10])
    assert torch.allclose(log_mel(torch.stack([quiet, loud]), frames)[0], log_mel(quiet[None], frames[:1])[0])


@pytest.mark.parametrize("row", range(3))
def test_states_of_the_own_length_are_those_of_transformers_with_its_positions_cut(folder, wavs, row):
    states = FrozenEncoder(folder)(wavs, SAMPLES)
    frames = int(states.frames[row])
    assert frames == -(-int(SAMPLES[row]) // 320)
    expected = expected_states(folder, expected_features(wavs[row, : SAMPLES[row]])[..., : 2 * frames])
    torch.testing.assert_close(states.layers[:, row, :frames], expected[:, 0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("row", range(3))
def test_states_within_30_s_are_those_of_transformers(folder, wavs, row):
    states = FrozenEncoder(folder, pad_to_seconds=30)(wavs, SAMPLES)
    frames = int(states.frames[row])
    expected = expected_states(folder, expected_features(wavs[row, : SAMPLES[row]]))[:, 0, :frames]
    torch.testing.assert_close(states.layers[:, row, :frames], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("seconds", [0.7, 30])  # between the clips' lengths, and beyond them
def test_a_clip_alone_and_in_a_batch_is_the_same_with_silence_too(folder, wavs, seconds):
    encoder = FrozenEncoder(folder, pad_to_seconds=seconds)
    batch = encoder(wavs, SAMPLES)
    for row, samples in enumerate(SAMPLES.tolist()):
        alone = encoder(wavs[row : row + 1, :samples], SAMPLES[row : row + 1])
        assert int(alone.frames) == int(batch.frames[row]) == alone.layers.shape[2]
        assert (alone.layers[:, 0] - batch.layers[:, row, : int(alone.frames)]).abs().max() < 1e-5


def test_silence_around_a_clip_changes_its_states_but_not_their_number(folder, wavs):
    alone, within = (FrozenEncoder(folder, pad_to_seconds=seconds)(wavs, SAMPLES) for seconds in (None, 30))
    assert alone.layers.shape == within.layers.shape and alone.frames.equal(within.frames)
    torch.testing.assert_close(alone.layers[0, 0, :-1], within.layers[0, 0, :-1])  # before any attention
    assert not torch.allclose(alone.layers[1, 0], within.layers[1, 0], atol=1e-4)


def test_only_the_encoder_is_in_memory(folder):
    model = FrozenEncoder(folder).network.model
    assert {name.split(".")[0] for name, _ in model.named_parameters()} == {
        "conv1", "conv2", "embed_positions", "layers", "layer_norm",
    }  # fmt: skip


def test_an_encoder_saved_alone_gives_the_same_states(folder, wavs, tmp_path):
    encoder = FrozenEncoder(folder)
    encoder.network.model.save_pretrained(tmp_path)
    shutil.copy(Path(folder) / "preprocessor_config.json", tmp_path)
    assert torch.equal(FrozenEncoder(str(tmp_path))(wavs, SAMPLES).layers, encoder(wavs, SAMPLES).layers)


def test_a_checkpoint_that_lacks_weights_of_the_encoder_is_refused_and_one_without_a_decoder_is_not(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    weights = load_file(copy / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if name.startswith("model.encoder.")}
    save_file(kept, copy / "model.safetensors", metadata={"format": "pt"})
    FrozenEncoder(str(copy))
    del kept["model.encoder.layers.1.fc1.weight"]
    save_file(kept, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BackboneError, match=r"lacks 1 weights \['layers.1.fc1.weight'\]"):
        FrozenEncoder(str(copy))


def test_a_clip_beyond_30_s_is_refused_with_the_remedy(folder):
    encoder = FrozenEncoder(folder)
    assert encoder(torch.zeros(1, 480_000), torch.tensor([480_000])).frames.tolist() == [1500]
    with pytest.raises(AudioError, match="30.02 s; expected at most 30"):
        encoder(torch.zeros(1, 480_001), torch.tensor([480_001]))


@pytest.mark.parametrize("seconds", [0, -1, 31])
def test_a_length_that_cannot_be_padded_to_is_refused(folder, seconds):
    with pytest.raises(BackboneError, match="more than 0 and at most 30"):
        FrozenEncoder(folder, pad_to_seconds=seconds)


def test_other_families_hear_no_silence(folders):
    with pytest.raises(BackboneError, match="own length"):
        FrozenEncoder(folders["hubert", "layer"], pad_to_seconds=30)
