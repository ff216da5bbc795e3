"""The frozen encoder, against transformers' own forward on one clip at a time."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoFeatureExtractor, AutoModel, HubertConfig, Wav2Vec2FeatureExtractor

from speechbrain_xser.errors import AudioError, BackboneError
from speechbrain_xser.lobes import FrozenEncoder, SpeechEncoder

CONVOLUTIONAL = [(kind, norm) for kind in ("hubert", "wavlm", "wav2vec2") for norm in ("layer", "group")]
CONVOLUTIONAL += [("data2vec-audio", "layer")]
ALL_KINDS = [*CONVOLUTIONAL, ("wav2vec2-bert", "layer"), ("whisper", "layer")]
every_kind = pytest.mark.parametrize("kind", ALL_KINDS, ids="-".join)
convolutional = pytest.mark.parametrize("kind", CONVOLUTIONAL, ids="-".join)
SAMPLES = torch.tensor([16000, 9000, 5123])


@pytest.fixture(scope="module")
def wavs():
    """Three clips of different levels, offsets and lengths; garbage where the padding is."""
    wavs = torch.randn(3, 16000, generator=torch.Generator().manual_seed(1))
    return wavs * torch.tensor([[0.3], [0.01], [0.1]]) + torch.tensor([[0.0], [0.002], [-0.01]])


def _copy(folder, target, **changes):
    """A copy of an encoder's folder with other preprocessing."""
    target = shutil.copytree(folder, target)
    path = Path(target) / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return str(target)


def _reference_layers(folder, wav):
    """What transformers gives for a batch of one: outputs of the layers, and with them the input's embedding first."""
    inputs = AutoFeatureExtractor.from_pretrained(folder)(wav.numpy(), sampling_rate=16000, return_tensors="pt")
    model = AutoModel.from_pretrained(folder).eval()
    last = {}
    model.encoder.layers[-1].register_forward_hook(lambda module, inputs, output: last.update(output=output))
    with torch.no_grad():
        hidden = model(**inputs, output_hidden_states=True).hidden_states
    last = last["output"] if isinstance(last["output"], torch.Tensor) else last["output"][0]
    return hidden, last, model


@every_kind
def test_a_clip_alone_and_padded_in_a_batch_has_the_same_states(folders, wavs, kind):
    encoder = FrozenEncoder(folders[kind])
    batch = encoder(wavs, SAMPLES)
    for row, samples in enumerate(SAMPLES.tolist()):
        alone = encoder(wavs[row : row + 1, :samples], SAMPLES[row : row + 1])
        frames = int(alone.frames)
        assert int(batch.frames[row]) == frames == alone.layers.shape[2]
        assert (alone.layers[:, 0] - batch.layers[:, row, :frames]).abs().max() < 1e-5


@pytest.mark.parametrize("norm", ["layer", "group"])
def test_padding_stays_out_also_of_normalised_base_and_raw_large_models(folders, wavs, norm, tmp_path):
    folder = _copy(folders["hubert", norm], tmp_path / "model", do_normalize=norm == "group")
    encoder = FrozenEncoder(folder)
    assert encoder.network.normalise == (norm == "group")
    batch, alone = encoder(wavs, SAMPLES), encoder(wavs[2:, :5123], SAMPLES[2:])
    assert (alone.layers[:, 0] - batch.layers[:, 2, : alone.layers.shape[2]]).abs().max() < 1e-5


@pytest.mark.parametrize("kind", ALL_KINDS[:-1], ids="-".join)
def test_layers_are_the_transformer_layers_before_the_final_norm(folders, wavs, kind):
    hidden, last, model = _reference_layers(folders[kind], wavs[1, :9000])
    layers = FrozenEncoder(folders[kind])(wavs[1:2, :9000], SAMPLES[1:2]).layers
    assert len(hidden) == 1 + len(layers) == 1 + model.config.num_hidden_layers
    atol = 1e-4 if kind[0] == "wav2vec2-bert" else 1e-5  # transformers rounds its spectra to complex64
    for index in range(len(layers) - 1):
        assert torch.allclose(layers[index], hidden[index + 1], atol=atol)
    assert torch.allclose(layers[-1], last, atol=atol)


def test_the_last_layer_is_not_the_normalised_output_of_a_large_model(folders, wavs):
    _, last, model = _reference_layers(folders["hubert", "layer"], wavs[1, :9000])
    nn.init.constant_(model.encoder.layer_norm.bias, 5.0)
    layers = FrozenEncoder(folders["hubert", "layer"])(wavs[1:2, :9000], SAMPLES[1:2]).layers
    assert (layers[-1] - model.encoder.layer_norm(last)).abs().mean() > 1


def test_each_clip_is_normalised_as_the_feature_extractor_does(folders, wavs):
    folder = folders["hubert", "layer"]
    encoder = FrozenEncoder(folder)
    clips = [wav[:samples].numpy() for wav, samples in zip(wavs, SAMPLES.tolist(), strict=True)]
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(folder)
    expected = extractor(clips, sampling_rate=16000, padding=True, return_tensors="pt").input_values
    assert torch.allclose(encoder.network.prepared(wavs, SAMPLES), expected, atol=1e-4)


def test_a_large_model_does_not_hear_the_level_but_reports_it(folders, wavs):
    encoder = FrozenEncoder(folders["hubert", "layer"])
    loud, quiet = encoder(wavs, SAMPLES), encoder(0.1 * wavs, SAMPLES)
    assert torch.allclose(loud.layers[:, 0], quiet.layers[:, 0], atol=1e-3)
    assert torch.allclose(loud.level - quiet.level, torch.full((3,), 20.0), atol=1e-3)


def test_a_model_whose_preprocessor_does_not_normalise_hears_the_level(folders, wavs, tmp_path):
    encoder = FrozenEncoder(_copy(folders["hubert", "layer"], tmp_path / "raw", do_normalize=False))
    prepared = encoder.network.prepared(wavs, SAMPLES)
    assert torch.equal(prepared[1, :9000], wavs[1, :9000])
    assert prepared[1, 9000:].abs().sum() == 0


def test_the_level_of_a_full_scale_square_wave_is_zero_and_of_a_sine_minus_three_decibels(folders):
    time = torch.arange(16000) / 16000
    sine = torch.sin(2 * math.pi * 100 * time)
    states = FrozenEncoder(folders["hubert", "layer"])(torch.stack([sine.sign(), sine]), torch.tensor([16000, 8000]))
    assert states.level.dtype == torch.float32
    assert states.level.tolist() == pytest.approx([0.0, 10 * math.log10(0.5)], abs=0.1)


@convolutional
def test_frame_counts_are_those_of_transformers(folders, kind):
    encoder = FrozenEncoder(folders[kind])
    samples = torch.cat([torch.arange(400, 1100), torch.tensor([16000, 479_999, 480_000, 1_920_000])])
    assert torch.equal(encoder.frame_counts(samples), encoder.network.model._get_feat_extract_output_lengths(samples))
    assert encoder.frame_counts(samples).dtype == torch.int64


@every_kind
def test_frame_counts_are_those_that_come_out(folders, kind):
    encoder = FrozenEncoder(folders[kind])
    for samples in (16000, 16001, 16160, 16319, 16320, 9120):
        states = encoder(torch.randn(1, samples), torch.tensor([samples]))
        assert states.layers.shape[2] == int(states.frames) == int(encoder.frame_counts(torch.tensor([samples])))


@every_kind
def test_frames_a_second_are_those_that_a_minute_makes(folders, kind):
    encoder = FrozenEncoder(folders[kind])
    first, second = encoder.frame_counts(encoder.sample_rate * torch.tensor([10, 70])).tolist()
    assert (second - first) / 60 == encoder.frame_rate


def test_the_receptive_field_is_400_samples(folders):
    assert FrozenEncoder(folders["hubert", "layer"]).network.minimum_samples == 400  # 25 ms, wav2vec 2.0, Sec. 4.2


@every_kind
def test_a_clip_below_the_receptive_field_gives_one_finite_frame(folders, kind):
    encoder = FrozenEncoder(folders[kind])
    for samples in (0, 1, 320):
        states = encoder(torch.randn(1, samples), torch.tensor([samples]))
        assert states.frames.tolist() == [1] and states.layers.shape == (encoder.layer_count, 1, 1, 32)
        assert states.layers.isfinite().all()


def test_a_clip_below_the_receptive_field_is_the_same_in_a_batch(folders, wavs):
    for kind in ALL_KINDS:
        encoder = FrozenEncoder(folders[kind])
        batch = encoder(wavs, torch.tensor([16000, 9000, 100]))
        alone = encoder(wavs[2:, :100], torch.tensor([100]))
        assert (alone.layers[:, 0] - batch.layers[:, 2, :1]).abs().max() < 1e-5


@every_kind
def test_silence_gives_finite_states_and_the_floor_of_the_level(folders, kind):
    states = FrozenEncoder(folders[kind])(torch.zeros(1, 8000), torch.tensor([8000]))
    assert states.layers.isfinite().all()
    assert states.level.tolist() == [-100.0]


def test_it_stays_in_eval_when_its_parent_trains(folders, wavs):
    parent = nn.ModuleDict({"encoder": FrozenEncoder(folders["hubert", "layer"])}).train()
    assert not any(module.training for module in parent["encoder"].modules())
    first, second = (parent["encoder"](wavs, SAMPLES).layers for _ in range(2))
    assert torch.equal(first, second)


def test_nothing_of_it_trains_and_no_graph_is_kept(folders, wavs):
    encoder = FrozenEncoder(folders["hubert", "layer"])
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    states = encoder(wavs.clone().requires_grad_(), SAMPLES)
    assert not states.layers.requires_grad and not states.level.requires_grad


def test_it_is_in_no_checkpoint_and_strict_loading_does_not_miss_it(folders):
    parent = nn.ModuleDict({"encoder": FrozenEncoder(folders["hubert", "layer"]), "head": nn.Linear(2, 2)})
    assert FrozenEncoder(folders["hubert", "layer"]).state_dict() == {}
    assert sorted(parent.state_dict()) == ["head.bias", "head.weight"]
    before = parent["encoder"].network.model.feature_projection.projection.weight.clone()
    parent.load_state_dict(parent.state_dict(), strict=True)
    assert torch.equal(before, parent["encoder"].network.model.feature_projection.projection.weight)


def test_strict_loading_of_its_parent_still_names_what_is_missing(folders):
    parent = nn.ModuleDict(
        {"a": nn.Linear(2, 2), "encoder": FrozenEncoder(folders["hubert", "layer"]), "z": nn.Linear(2, 2)}
    )
    with pytest.raises(RuntimeError) as error:
        parent.load_state_dict({"a.weight": torch.zeros(2, 2), "z.weight": torch.zeros(2, 2)}, strict=True)
    assert '"a.bias", "z.bias"' in str(error.value) and "encoder" not in str(error.value)


def test_weights_for_it_in_a_checkpoint_are_refused_and_not_loaded(folders):
    parent = nn.ModuleDict({"encoder": FrozenEncoder(folders["hubert", "layer"])})
    key = "encoder.network.model.feature_projection.projection.weight"
    before = parent.get_parameter(key).clone()
    with pytest.raises(RuntimeError, match="Unexpected key.*" + key):
        parent.load_state_dict({key: torch.zeros_like(before)}, strict=True)
    assert torch.equal(before, parent.get_parameter(key))


def test_it_implements_the_protocol(folders):
    encoder = FrozenEncoder(folders["wavlm", "layer"])
    assert isinstance(encoder, SpeechEncoder)
    assert (encoder.layer_count, encoder.width, encoder.sample_rate, encoder.frame_rate) == (3, 32, 16000, 50)


@every_kind
def test_bfloat16_states_are_near_those_in_float32(folders, wavs, kind):
    half = FrozenEncoder(folders[kind], dtype="bfloat16")(wavs, SAMPLES)
    full = FrozenEncoder(folders[kind])(wavs, SAMPLES)
    assert half.layers.dtype == torch.bfloat16 and half.level.dtype == torch.float32
    assert (half.layers.float() - full.layers).norm() < 0.05 * full.layers.norm()


def test_autocast_does_not_change_the_states(folders, wavs):
    encoder = FrozenEncoder(folders["hubert", "layer"])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        states = encoder(wavs, SAMPLES)
    assert torch.equal(states.layers, encoder(wavs, SAMPLES).layers)


@pytest.mark.parametrize("size", ["base", "large"])
def test_the_papers_encoder_is_built_on_the_meta_device_from_its_config_alone(tmp_path, size):
    large = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}
    large |= {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
    HubertConfig(**(large if size == "large" else {})).save_pretrained(tmp_path)
    with torch.device("meta"):
        encoder = FrozenEncoder(str(tmp_path), load_weights=False)
    assert all(parameter.is_meta for parameter in encoder.parameters())
    count = sum(parameter.numel() for parameter in encoder.parameters())
    published = {"base": 94_371_712, "large": 315_438_720}[size]  # of HubertModel, with the weight norm's 128 gains
    assert count == published - 128
    assert encoder.network.normalise and encoder.layer_count == {"base": 12, "large": 24}[size]


def test_a_model_of_another_family_is_refused_by_name(tmp_path):
    from speechbrain_xser.testing import tiny_llm_folder

    known = "hubert, wavlm, wav2vec2, data2vec-audio, wav2vec2-bert, whisper"
    with pytest.raises(BackboneError, match=f"'llama' model; expected one of {known}$"):
        FrozenEncoder(tiny_llm_folder(tmp_path))


def test_a_folder_that_lacks_weights_is_refused_with_their_names(folders, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(folders["hubert", "layer"], tmp_path / "broken")
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layers.0.attention.k_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BackboneError, match=r"lacks 1 weights \['encoder.layers.0.attention.k_proj.weight'\]"):
        FrozenEncoder(str(folder))


def test_an_unknown_type_is_refused_with_the_known_ones(folders):
    with pytest.raises(BackboneError, match="'float33'.*float32, bfloat16, float16"):
        FrozenEncoder(folders["hubert", "layer"], dtype="float33")


def test_torn_weights_are_refused_with_the_path(folders, tmp_path):
    folder = shutil.copytree(folders["hubert", "layer"], tmp_path / "torn")
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(BackboneError, match=str(folder)):
        FrozenEncoder(str(folder))


def test_a_folder_without_its_preprocessor_config_is_refused_rather_than_guessed(folders, tmp_path):
    folder = shutil.copytree(folders["hubert", "layer"], tmp_path / "bare")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(BackboneError, match="preprocessor_config.json"):
        FrozenEncoder(str(folder))


def test_a_folder_without_a_model_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(BackboneError, match="check that the folder is a complete Hugging Face model folder"):
        FrozenEncoder(str(tmp_path))


def test_a_batch_of_stereo_clips_is_refused_with_its_shape(folders):
    with pytest.raises(AudioError, match=r"\(2, 2, 8000\).*expected mono"):
        FrozenEncoder(folders["hubert", "layer"])(torch.zeros(2, 2, 8000), torch.tensor([8000, 8000]))
