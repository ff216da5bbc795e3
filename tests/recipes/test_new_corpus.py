"""A new corpus is three files in a folder; nothing else changes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from speechbrain_xser.cli.main import xser
from speechbrain_xser.training.command import main
from tests.recipes.lists import files
from tests.shown_diffs import apply, diff_with

ROOT = Path(__file__).parents[2]
@pytest.fixture
def recipes(tmp_path, monkeypatch) -> Path:
    """A folder of recipes with the one corpus that the page shows, beside the values that all recipes include."""
    shutil.copytree(ROOT / "hparams", tmp_path / "hparams")
    apply(diff_with("recipes/Hums"), tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "recipes"))
    return tmp_path / "recipes"


@pytest.fixture
def hums(tmp_path) -> Path:
    """Twelve different clips."""
    (tmp_path / "clips").mkdir()
    names = [f"{speaker}-{emotion}-{take}" for speaker in "abc" for emotion in ("sad", "happy") for take in "12"]
    for number, name in enumerate(names):
        hum = 0.2 * np.sin(2 * np.pi * (100 + 10 * number) * np.arange(12000) / 16000)
        soundfile.write(tmp_path / "clips" / f"{name}.wav", hum, 16000)
    return tmp_path / "clips"


def run(*words) -> str:
    done = CliRunner().invoke(xser, list(map(str, words)))
    assert done.exit_code == 0, done.output
    return done.output


def test_it_is_listed_with_what_it_is(recipes):
    assert "  Hums  Prepares the Corpus of Hums." in run("prepare", "--recipes", recipes, "--help")


def test_it_has_a_row_in_speechbrain_s_lists(recipes):
    made = files(recipes)
    assert "recipes/Hums/prepare.py" in made["tests/recipes/Hums.csv"]
    assert "samples.py" in made["tests/recipes/setup/recipes_train/Hums_hparams_train"]


def test_its_clips_are_counted_against_its_own_figures(recipes, hums, tmp_path):
    run("prepare", "--recipes", recipes, "hums", "--data-folder", hums, "--save-folder", tmp_path / "out")
    parts = [tmp_path / "out" / f"{split}.jsonl" for split in ("train", "valid", "test")]
    whole = ["check", *parts, "--data-folder", hums, "--corpus", "hums", "--recipes", recipes, "--workers", "1"]
    assert "Nothing serious" in run(*whole)
    found = CliRunner().invoke(xser, [*map(str, ["check", *parts[1:], *whole[4:]]), "--json"])
    missing = next(each for each in json.loads(found.output)["findings"] if each["kind"].startswith("count differs"))
    assert found.exit_code == 1 and "Hums: 8 clips, published 12" in missing["clips"]


@pytest.mark.training
def test_it_trains_and_its_licence_is_on_the_model_card(recipes, hums, tmp_path):
    values = {"data_folder": hums, "save_folder": tmp_path / "out", "output_folder": tmp_path / "run"}
    values |= {"steps_per_turn": "null", "batch_size": 4, "max_new_tokens": 4}
    main([str(recipes / "Hums" / "hparams" / "train.yaml"), *[f"--{key}={value}" for key, value in values.items()]])
    metadata = json.loads((tmp_path / "run" / "model" / "metadata.json").read_text())
    assert metadata["training"]["steps"] == 2
    assert "* Hums: CC BY 4.0, with the hummers' names" in (tmp_path / "run" / "model" / "README.md").read_text()
