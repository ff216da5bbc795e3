"""CREMA-D's YAML: loading builds nothing, and its preparation can be called."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hyperpyyaml import load_hyperpyyaml

from speechbrain_xser.answer.record import EMOTIONS

ROOT = Path(__file__).parents[2]
YAML = ROOT / "recipes" / "CREMA-D" / "hparams" / "train.yaml"


@pytest.fixture
def hparams(tmp_path, monkeypatch) -> dict:
    """Loaded as recipes/train.py loads it, which runs with its own folder on the path."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "recipes"), *sys.path])
    audio = tmp_path / "corpus" / "AudioWAV"
    audio.mkdir(parents=True)
    for actor in range(1001, 1092):
        soundfile.write(audio / f"{actor}_IEO_HAP_HI.wav", np.zeros(160), 16000)
    overrides = {"data_folder": str(tmp_path / "corpus"), "save_folder": str(tmp_path / "out")}
    with open(YAML, encoding="utf-8") as file:
        return load_hyperpyyaml(file, overrides)


def test_its_preparation_writes_the_manifests_that_it_names(hparams):
    hparams["prepare"]()
    assert all(Path(hparams[f"{split}_manifest"]).exists() for split in ("train", "valid", "test"))


def test_loading_builds_no_model(hparams):
    arguments = hparams["model"].keywords
    sources = (arguments[part].keywords["source"] for part in ("encoder", "decoder"))
    assert tuple(sources) == ("packaged:hubert-tiny", "packaged:llama-tiny")


def test_its_emotions_are_of_the_vocabulary(hparams):
    assert set(hparams["emotions"]) < set(EMOTIONS)
