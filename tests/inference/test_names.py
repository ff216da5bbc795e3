"""The short name of the packaged model, and what a recogniser is to SpeechBrain."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from speechbrain.inference.interfaces import Pretrained

import speechbrain_xser
from speechbrain_xser.cli.main import xser
from speechbrain_xser.cli.model_options import explained_by, is_tiny
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.inference import ExplainableEmotionRecognizer
from speechbrain_xser.model_folder.locate import model_folder


def test_tiny_is_the_packaged_model():
    assert model_folder("tiny") == speechbrain_xser.packaged_model() and explained_by("tiny") == explained_by(None)


def test_a_folder_here_that_is_called_tiny_goes_before_the_packaged_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tiny").mkdir()
    assert model_folder("tiny") == "tiny" and not is_tiny("tiny")


def test_the_model_that_is_asked_for_by_name_needs_no_warning(tmp_path):
    done = CliRunner().invoke(xser, ["explain", "--model", "tiny", str(tmp_path / "none.wav")])
    assert "No --model was given" not in done.output and "none.wav" in done.output


@pytest.mark.parametrize("pretrained", [True, False])
def test_a_recogniser_is_speechbrains_own_unless_that_is_not_wanted(pretrained):
    options = {"run_opts": {"device": "cpu"}, "pretrained": pretrained}
    assert isinstance(ExplainableEmotionRecognizer.from_hparams("tiny", **options), Pretrained) is pretrained


def test_run_options_of_speechbrain_are_refused_where_it_is_left_out():
    with pytest.raises(SettingsError, match="precision"):
        ExplainableEmotionRecognizer.from_hparams("tiny", run_opts={"precision": "bf16"}, pretrained=False)
