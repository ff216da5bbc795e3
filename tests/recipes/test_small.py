"""The small model's recipe, on tiny backbones: other words for each voice, a start without the LLM, the training."""

import json
from importlib import import_module
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from speechbrain_xser.data.manifest import Utterance, read_manifest, write_manifest
from speechbrain_xser.inference import ExplainableEmotionRecognizer
from speechbrain_xser.testing import tiny_llm_folder, tiny_manifest, tiny_recognizer_folder
from speechbrain_xser.training.command import main

RECIPES = Path(__file__).parents[2] / "recipes"
TEXTS = ["she sang a song", "the dog sleeps in the sun all day long"]


@pytest.fixture
def crossing(monkeypatch):
    monkeypatch.syspath_prepend(RECIPES)
    return import_module("Small.crossing")


def test_each_copy_of_a_voice_has_words_of_its_own_and_keeps_its_labels(crossing):
    clip = Utterance("a", "a.wav", transcript="It's eleven o'clock", emotion="sad", gender="female", pitch="low")
    crossed = list(crossing.crossed([clip] * 200, TEXTS, "train"))
    assert len({one.id for one in crossed}) == 200 and crossed == list(crossing.crossed([clip] * 200, TEXTS, "train"))
    own = sum(one.recognized == "It's eleven o'clock." for one in crossed)
    assert 5 <= own <= 40  # one in ten
    assert all(one.transcript == one.recognized and f'"{one.recognized}"' in one.caption for one in crossed)
    assert {(one.emotion, one.gender, one.pitch, one.wav) for one in crossed} == {("sad", "female", "low", "a.wav")}
    assert len({len(one.recognized.split()) for one in crossed}) > 4


def values(folder, yaml, **more):
    given = {
        "data_folder": "null",
        "prepare": "null",
        "output_folder": folder / yaml,
        "save_folder": folder,
        "train_manifest": folder / "train.jsonl",
        "valid_manifest": folder / "valid.jsonl",
        "encoder_source": folder / "whisper",
        "recognizer_source": folder / "whisper",
        "llm_source": folder / "llm",
        "prompt_style": "llama3",
        "max_new_tokens": 8,
        "epochs_per_stage": 1,
        "batch_size": 4,
        "adapter_hidden": 16,
        "latent": 8,
    } | more
    words = [f"--{key}={value}" for key, value in given.items()]
    return [str(RECIPES / "Small" / "hparams" / f"{yaml}.yaml"), *words, "--device=cpu", "--noprogressbar"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Both runs, one after the other."""
    folder = tmp_path_factory.mktemp("small")
    tiny_recognizer_folder(folder / "whisper")
    tiny_llm_folder(folder / "llm")
    for split in ("train", "valid"):
        path = tiny_manifest(folder, 8, split=split)
        write_manifest(path, [row._replace(recognized=row.transcript) for row in read_manifest(path)])
    main(values(folder, "start"))
    main(values(folder, "train", start_from=folder / "start" / "model", search_limit=2))
    return folder


@pytest.mark.training
def test_the_start_trains_the_branch_and_not_the_llm(place):
    trained = load_file(place / "start" / "model" / "adapter" / "adapter_model.safetensors")
    assert all(not tensor.any() for name, tensor in trained.items() if "lora_B" in name)
    log = (place / "start" / "train_log.txt").read_text()
    assert "ua: " in log and "gender: " in log and "descriptor gain" in log


@pytest.mark.training
def test_the_training_goes_on_from_the_start_with_its_mean_and_spread(place):
    start, train = (load_file(place / run / "model" / "model.safetensors") for run in ("start", "train"))
    assert start.keys() == train.keys() and not any("content" in name for name in start)
    for name in ("standardization.mean", "standardization.spread"):
        assert torch.equal(start[name], train[name]) and start[name].any()
    output = "branches.descriptor.adapter.output.weight"
    assert not torch.equal(start[output], train[output])


@pytest.mark.training
def test_the_trained_folder_explains(place):
    recognizer = ExplainableEmotionRecognizer.from_hparams(place / "train" / "model", speech_check=False)
    [found] = recognizer.explain_batch(0.1 * torch.randn(1, 16000))
    assert sum(found.probabilities.values()) == pytest.approx(1)
    settings = json.loads((place / "start" / "model" / "settings.json").read_text())
    assert settings["stage"] == "ser"
