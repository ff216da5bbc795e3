"""The short names of the packaged models, the default, and what a recogniser is to SpeechBrain."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from speechbrain.inference.interfaces import Pretrained

import speechbrain_xser
from speechbrain_xser.cli import explain as command
from speechbrain_xser.cli.main import xser
from speechbrain_xser.cli.model_options import explained_by, is_tiny
from speechbrain_xser.errors import SettingsError
from speechbrain_xser.inference import ExplainableEmotionRecognizer
from speechbrain_xser.model_folder.locate import model_folder
from speechbrain_xser.testing import tiny_manifest
from speechbrain_xser.utils.user_cache import SET_UP


def test_tiny_is_the_packaged_model():
    assert model_folder("tiny") == speechbrain_xser.packaged_model()
    assert "Do not trust" in explained_by("tiny")


def test_a_folder_here_that_is_called_tiny_goes_before_the_packaged_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tiny").mkdir()
    assert model_folder("tiny") == "tiny" and not is_tiny("tiny")


@pytest.fixture
def told(tmp_path, monkeypatch):
    """What ``xser explain`` says of a file that is not there, without ``--model``."""

    def tell(*, is_set_up: bool) -> str:
        monkeypatch.delenv("XSER_MODEL")
        monkeypatch.setenv("XSER_CACHE", str(tmp_path))
        for name in SET_UP if is_set_up else SET_UP[:1]:  # one of two is not enough
            (tmp_path / name).mkdir()
        monkeypatch.setattr(command, "load_recognizer", lambda model, *_, **__: pytest.fail(f"loads {model}"))
        return CliRunner().invoke(xser, ["explain", str(tmp_path / "none.wav")])

    return tell


def test_the_default_is_the_small_model_where_it_is_set_up(told):
    with pytest.raises(pytest.fail.Exception, match="loads small"):
        told(is_set_up=True)


def test_a_command_offers_the_set_up_and_the_demonstration_model(told):
    done = told(is_set_up=False)
    assert done.exit_code == 2 and "`xser setup small`" in done.stderr and "--model tiny" in done.stderr


def test_the_environment_names_a_default(tmp_path, monkeypatch):
    monkeypatch.setenv("XSER_MODEL", str(tmp_path / "mine"))
    done = CliRunner().invoke(xser, ["evaluate", tiny_manifest(tmp_path, clips=1)])
    assert done.exit_code == 2 and "mine" in done.stderr


@pytest.mark.parametrize("pretrained", [True, False])
def test_a_recogniser_is_speechbrains_own_unless_that_is_not_wanted(pretrained):
    options = {"run_opts": {"device": "cpu"}, "pretrained": pretrained}
    assert isinstance(ExplainableEmotionRecognizer.from_hparams("tiny", **options), Pretrained) is pretrained


def test_run_options_of_speechbrain_are_refused_where_it_is_left_out():
    with pytest.raises(SettingsError, match="precision"):
        ExplainableEmotionRecognizer.from_hparams("tiny", run_opts={"precision": "bf16"}, pretrained=False)
