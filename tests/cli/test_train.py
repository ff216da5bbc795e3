"""``xser train``: the training script's own code, by a recipe's file or name."""

import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from speechbrain_xser.cli.train import option, recipe_path
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.testing import tiny_encoder_folder, tiny_llm_folder, tiny_manifest
from speechbrain_xser.training.command import main
from tests.warmed import PATIENCE

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "tests" / "training" / "tiny.yaml"


def arguments(folder: Path, **values) -> list[str]:
    manifests = {f"{split}_manifest": tiny_manifest(folder, 4, split=split) for split in ("train", "valid", "test")}
    tiny_encoder_folder(folder / "encoder")
    tiny_llm_folder(folder / "llm")
    values = {"output_folder": folder / "run", "backbones": folder, **manifests, **values}
    return [str(RECIPE), "--device=cpu", *[f"--{key}={value}" for key, value in values.items()]]


@pytest.mark.parametrize(("name", "corpus"), [("CREMA-D", "CREMA-D"), ("meld", "MELD"), ("tiny", "Tiny")])
def test_a_corpus_s_name_means_its_recipe(name, corpus):
    assert recipe_path(name) == ROOT / "recipes" / corpus / "hparams" / "train.yaml"


def test_a_user_s_recipe_can_import_its_neighbours(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = tmp_path / "recipes" / "OURS" / "hparams" / "train.yaml"
    path.parent.mkdir(parents=True)
    path.touch()
    assert recipe_path(str(path)) == path and sys.path[-1] == str(tmp_path / "recipes")


def test_a_wrong_name_lists_the_recipes():
    with pytest.raises(SettingsError, match="expected a YAML file, or one of: CREMA-D, IEMOCAP, MELD"):
        recipe_path("EmoDB")


def test_keys_may_be_written_with_dashes_and_values_stay():
    assert option("--output-folder=a-b/c=d") == "--output_folder=a-b/c=d" and option("-5") == "-5"


def test_the_script_and_the_command_are_one_function():
    script = runpy.run_path(str(ROOT / "recipes" / "train.py"))
    assert script["main"] is main


@pytest.mark.training
def test_a_stopped_training_leaves_a_checkpoint_and_no_model(tmp_path):
    words = [sys.executable, "-m", "speechbrain_xser.cli", "train", *arguments(tmp_path, epochs_per_stage=200)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    log = tmp_path / "run" / "train_log.txt"
    with subprocess.Popen(words, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        begun = time.monotonic()
        while process.poll() is None and not log.exists() and time.monotonic() - begun < PATIENCE:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        told = process.communicate()[1]
    assert process.returncode == 130 and "Traceback" not in told
    assert list((tmp_path / "run" / "checkpoints").iterdir())
    assert not (tmp_path / "run" / "model").exists()
