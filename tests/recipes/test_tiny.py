"""The recipe of the packaged backbones runs from its YAML and writes ordinary Hugging Face folders."""

import math
import subprocess
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, HubertModel

from speechbrain_xser.lobes.encoder import FrozenEncoder
from tests.warmed import PATIENCE

RECIPES = Path(__file__).resolve().parents[2] / "recipes"


@pytest.fixture
def recipes(monkeypatch):
    monkeypatch.syspath_prepend(str(RECIPES))


def run(python: str, script: str, yaml: str, *overrides: str) -> None:
    command = [python, str(RECIPES / "Tiny" / script), str(RECIPES / "Tiny" / "hparams" / yaml), *overrides]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)


@pytest.mark.training
def test_the_encoder_recipe_writes_a_folder_whose_states_carry_the_level(tmp_path, python):
    sizes = ("--train_clips=4", "--valid_clips=2", "--test_clips=1", "--number_of_epochs=1")
    shape = ("--hidden_size=32", "--num_hidden_layers=2", "--functional_layer=2", "--intermediate_size=32")
    folders = (f"--output_folder={tmp_path}", f"--data_folder={tmp_path}")
    run(python, "pretrain_encoder.py", "encoder.yaml", *folders, *sizes, *shape, "--conv_dim=[256, 32, 32]")
    folder = str(tmp_path / "hubert-tiny")
    assert HubertModel.from_pretrained(folder).config.hidden_size == 32
    encoder = FrozenEncoder(folder)
    wave, samples = torch.randn(1, 16000, generator=torch.Generator().manual_seed(0)) * 0.05, torch.tensor([16000])
    loud, soft = (encoder(wave * gain, samples).layers for gain in (1.0, 0.1))
    assert (loud - soft).abs().max() > 0.01  # a model that normalises the level away gives the same features


@pytest.mark.training
def test_the_decoder_recipe_writes_a_folder_that_answers(tmp_path, python):
    sizes = ("--steps_an_epoch=2", "--number_of_epochs=1", "--batch_size=2", "--vocabulary_size=600")
    shape = ("--hidden_size=32", "--num_hidden_layers=1", "--intermediate_size=32")
    run(python, "pretrain_llm.py", "llm.yaml", f"--output_folder={tmp_path}", *sizes, *shape)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "llama-tiny")
    llm = AutoModelForCausalLM.from_pretrained(tmp_path / "llama-tiny")
    assert llm.get_input_embeddings().num_embeddings == len(tokenizer)


def test_filters_are_centred_on_their_frequencies(recipes):
    from Tiny.filterbank import quadrature_filters

    spectra = torch.fft.rfft(quadrature_filters(640)[:, 0], 16000).abs()  # 1 Hz a bin
    peaks = spectra.argmax(1)
    assert peaks[0:4].tolist() == pytest.approx([60] * 4, abs=4)
    assert peaks[92:96].tolist() == pytest.approx([700] * 4, abs=2)  # the last of the low ones
    assert peaks[-4:].tolist() == pytest.approx([7600] * 4, abs=2)


def test_frames_of_a_rising_tone_have_its_pitch_where_the_encoder_has_them(recipes):
    from Tiny.prosody_targets import clip_prosody

    time = torch.arange(32000) / 16000
    tone = torch.sin(2 * torch.pi * (100 * time + 25 * time.square()))  # F0 is 100 Hz + 50 Hz a second
    centres = (torch.arange(95) * 320 + 800) / 16000  # by hand: (32000 - 1600) // 320 + 1 = 96 frames
    hertz = torch.from_numpy(clip_prosody(tone).hertz)
    assert len(hertz) == 96
    assert (hertz[:90] - (100 + 50 * centres[:90])).abs().max() < 1.5


def test_a_pitch_becomes_a_distribution_around_its_bin(recipes):
    from Tiny.prosody_targets import pitch_distribution

    found = pitch_distribution(torch.tensor([60 * 2 ** (10.5 / 20)]))[0]  # half way between the bins 10 and 11
    assert found[10].item() == pytest.approx(found[11].item(), rel=1e-4) and found.sum().item() == pytest.approx(1)
    assert (found[9] / found[10]).item() == pytest.approx(math.exp(-0.5 * (1.5**2 - 0.5**2)), rel=1e-4)


def test_padding_frames_do_not_count_in_the_loss(recipes):
    from Tiny.prosody_targets import FRAME_TARGETS, frame_losses, functional_loss

    generator = torch.Generator().manual_seed(0)
    wavs, hertz = torch.randn(1, 16000, generator=generator), torch.full((1, 46), 120.0)
    frames, predicted = torch.tensor([20]), torch.randn(1, 46, FRAME_TARGETS, generator=generator)
    other = torch.cat([predicted[:, :20], torch.randn(1, 26, FRAME_TARGETS, generator=generator)], 1)
    one, two = (frame_losses(p, wavs, hertz, frames) for p in (predicted, other))
    assert one.signals == two.signals and one.pitch == two.pitch and len(one.pitch_right) == 20
    functionals = torch.ones(1, 3)
    assert functional_loss(torch.zeros(1, 46, 3), functionals, frames) == 1


def test_silence_after_the_last_word_has_the_class_of_a_pause(recipes, tmp_path):
    from Tiny.clips import frame_phones, phone_class

    from speechbrain_xser.data.manifest import read_manifest
    from speechbrain_xser.data.synthetic import prepare

    utterance = read_manifest(prepare(str(tmp_path), 2, 1, 1, jobs=1)["train"])[1]
    classes = frame_phones(utterance, int(utterance.duration * 50))
    assert classes[-5:].tolist() == [phone_class("_:")] * 5
    assert len(set(classes.tolist())) > 5
