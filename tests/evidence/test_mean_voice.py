"""The mean voice: against clips encoded one by one, and through a model folder."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.data.manifest import read_manifest
from speechbrain_xser.data.subset import sampled_batches
from speechbrain_xser.errors import CheckpointError
from speechbrain_xser.evidence.clip_evidence import gather_evidence
from speechbrain_xser.evidence.latent_mean import mean_voice
from speechbrain_xser.inference import ExplainableEmotionRecognizer
from speechbrain_xser.lobes.adapter import FrameTokens
from speechbrain_xser.lobes.bottleneck import NoBottleneck
from speechbrain_xser.lobes.branch import Branch
from speechbrain_xser.model_folder.mean_voice import MeanVoice, read_mean_voice, voice_tokens
from speechbrain_xser.model_folder.save import write_model_folder
from speechbrain_xser.stages import ASR_STAGE
from speechbrain_xser.testing import tiny_lobes, tiny_manifest, tiny_model


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("voices")


@pytest.fixture(scope="module")
def model(place):
    return tiny_model(place, max_new_tokens=8)


@pytest.fixture(scope="module")
def manifest(place):
    return tiny_manifest(place, clips=5)


def test_it_is_the_mean_over_the_frames_of_clips_heard_one_by_one(model, manifest, place):
    found = mean_voice(model, sampled_batches(manifest, str(place), 30.0, batch_size=3))
    latents = []
    for row in read_manifest(manifest):
        wav = load_audio(row.wav.replace("{data_root}", str(place)))
        with torch.no_grad():
            outputs = model.eval().encode_branches(wav[None], torch.tensor([len(wav)]))
        latents.append(outputs["descriptor"].latent.posterior.mean[0])
    torch.testing.assert_close(found.latent, torch.cat(latents).mean(0), atol=1e-5, rtol=1e-5)
    assert found.clips == 5


def test_a_stage_without_a_voice_has_no_mean_voice(model, manifest, place):
    assert mean_voice(model, sampled_batches(manifest, str(place), 30.0), ASR_STAGE) is None
    assert mean_voice(model, []) is None


def test_it_has_as_many_tokens_as_the_clip_all_equal(model):
    tokens = voice_tokens(model, MeanVoice(torch.randn(8), 1), torch.tensor([49, 12]))
    assert tokens.counts.tolist() == [9, 2]
    assert tokens.embeddings[0].unique(dim=0).shape[0] == 1 and tokens.embeddings[1, 2:].count_nonzero() == 0
    torch.testing.assert_close(tokens.embeddings[1, 0], tokens.embeddings[0, 0])


@pytest.mark.slow
def test_it_is_saved_with_the_model_and_used_in_the_evidence(model, place, manifest):
    lobes = tiny_lobes(place, max_new_tokens=8)
    voice = mean_voice(model, sampled_batches(manifest, str(place), 30.0))
    folders = [
        write_model_folder(place / name, model, {"model": lobes}, voice=one)
        for name, one in (("with", voice), ("without", None))
    ]
    known, unknown = (ExplainableEmotionRecognizer.from_hparams(folder, speech_check=False) for folder in folders)
    torch.testing.assert_close(known.mean_voice.latent, voice.latent)
    wav = 0.1 * torch.sin(6.2832 * 200 * torch.arange(16000) / 16000)
    assert gather_evidence(unknown, wav).average is None
    average = gather_evidence(known, wav).average
    assert sum(average.values()) == pytest.approx(1.0) and set(average) == set(known.hparams.emotions)


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "mean_voice.safetensors").write_bytes(b"not tensors")
    with pytest.raises(CheckpointError, match="mean_voice.safetensors: damaged"):
        read_mean_voice(tmp_path)


@pytest.mark.parametrize("latent", [torch.ones(5), torch.ones(1, 8), torch.full((8,), torch.nan)])
def test_the_voice_of_another_model_is_refused_when_the_folder_is_read(model, place, latent):
    lobes = tiny_lobes(place, max_new_tokens=8)
    folder = write_model_folder(place / "other", model, {"model": lobes}, voice=MeanVoice(latent, 1))
    with pytest.raises(CheckpointError, match="mean_voice.safetensors: damaged"):
        ExplainableEmotionRecognizer.from_hparams(folder, run_opts={"device": "cpu"})


def test_an_adapter_that_hands_frames_on_has_a_mean_voice_too():
    model = SimpleNamespace(branches=nn.ModuleDict({"descriptor": Branch(NoBottleneck(3, 8), FrameTokens(8))}))
    tokens = voice_tokens(model, MeanVoice(torch.arange(8.0), 1), torch.tensor([3]))
    assert tokens.embeddings.tolist() == [[list(map(float, range(8)))] * 3]
