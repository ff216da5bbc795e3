"""A training output folder given as a model: every command names the model inside."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from speechbrain_xser import ExplainableEmotionRecognizer, packaged_model
from speechbrain_xser.cli.main import xser
from speechbrain_xser.errors import CheckpointError
from speechbrain_xser.testing import tiny_manifest
from speechbrain_xser.training.run import make_model


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """The output of a finished training, with its own copy of the values."""
    folder = tmp_path_factory.mktemp("results") / "demo"
    shutil.copytree(packaged_model(), folder / "model")
    (folder / "hyperparams.yaml").write_text("seed: 1\n")
    (folder / "checkpoints" / "step-000000001-end").mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    return Path(tiny_manifest(tmp_path_factory.mktemp("manifest"), clips=1))


@pytest.mark.parametrize("command", ["explain", "timeline", "evaluate", "faithfulness", "serve", "probe", "export"])
def test_every_command_names_the_model_inside_a_run_s_folder(run, manifest, command, tmp_path):
    clip = manifest.parent / "train" / "000.wav"
    words = {
        "explain": [clip, "--model", run],
        "timeline": [clip, "--model", run, "--out", tmp_path / "a.json"],
        "evaluate": [manifest, "--model", run],
        "faithfulness": [manifest, "--model", run],
        "serve": ["--port", "0", "--model", run],
        "probe": ["--model", run, "--train", manifest, "--test", manifest],
        "export": [run, "--out", tmp_path / "out"],
    }
    done = CliRunner().invoke(xser, [command, *map(str, words[command])])
    assert done.exit_code == 2
    expected = f"error: {run} is not a trained model, but contains one: give {run / 'model'}."
    assert done.stderr.splitlines()[-1] == expected and done.stdout == ""


def test_from_hparams_and_start_from_name_it_too(run):
    with pytest.raises(CheckpointError, match="give .*demo/model"):
        ExplainableEmotionRecognizer.from_hparams(run)
    with pytest.raises(CheckpointError, match="give .*demo/model"):
        make_model({"model": lambda: None, "start_from": str(run)})


def test_a_run_folder_with_several_models_or_none_and_a_model_s_subfolder_are_explained(run, tmp_path):
    for name in ("a", "b", "c", "d"):
        shutil.copytree(run / "model", tmp_path / "several" / name)
    with pytest.raises(CheckpointError, match=r"contains 4: give .*several/a, or .*/b, or .*/c, \.\.\."):
        ExplainableEmotionRecognizer.from_hparams(tmp_path / "several")
    with pytest.raises(CheckpointError, match="is a part of a trained model: give .*several/a"):
        ExplainableEmotionRecognizer.from_hparams(tmp_path / "several" / "a" / "adapter")
    (tmp_path / "begun" / "checkpoints").mkdir(parents=True)
    with pytest.raises(CheckpointError, match="has not written its model yet: give the training command again"):
        ExplainableEmotionRecognizer.from_hparams(tmp_path / "begun")


def test_a_model_whose_replacement_was_killed_is_the_previous_one(run, tmp_path):
    shutil.copytree(run / "model", tmp_path / ".model.old")  # between the two renames
    (tmp_path / ".model.staging-123").mkdir()
    recognizer = ExplainableEmotionRecognizer.from_hparams(tmp_path / "model", run_opts={"device": "cpu"})
    assert recognizer.hparams.stage == "ser"
