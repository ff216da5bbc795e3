"""A run that asks for it computes with deterministic algorithms only, and says what has none."""

import os

import pytest
import torch
from speechbrain.utils.run_opts import RunOptions

from speechbrain_xser.errors import SettingsError, TrainingError
from speechbrain_xser.training.command import run
from speechbrain_xser.training.determinism import deterministic
from tests.training.runner import tiny_data, tiny_hparams


class Reached(Exception):
    """The model is about to be made."""


def state():
    cudnn = torch.backends.cudnn
    attention = torch.backends.cuda.cudnn_sdp_enabled()
    return torch.are_deterministic_algorithms_enabled(), cudnn.deterministic, cudnn.benchmark, attention


@pytest.mark.parametrize("asked", [True, False])
def test_a_run_is_deterministic_from_before_its_model_is_made_to_its_end(tmp_path, monkeypatch, asked):
    usual, found = state(), []

    def make_model(*_):
        found.append(state())
        raise Reached

    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    monkeypatch.setattr("speechbrain_xser.training.command.make_model", make_model)
    hparams = tiny_hparams(tiny_data(tmp_path), tmp_path / "run", deterministic=asked)
    with pytest.raises(Reached):
        run(hparams, RunOptions.from_dictionary({"device": "cpu"}))
    assert found == [(True, True, False, False) if asked else usual] and state() == usual
    assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == (":4096:8" if asked else None)


def test_an_operation_without_a_deterministic_form_is_told_with_the_way_out():
    with pytest.raises(TrainingError, match="put_ does not have a deterministic .*leave --deterministic out"):
        with deterministic(True):
            torch.ones(4).put_(torch.tensor([1]), torch.zeros(1), accumulate=False)
    with pytest.raises(RuntimeError, match="^shapes differ$"), deterministic(True):
        raise RuntimeError("shapes differ")


def test_a_switch_that_is_neither_true_nor_false_is_refused(tmp_path):
    hparams = tiny_hparams(tiny_data(tmp_path), tmp_path / "run", deterministic="yes")
    with pytest.raises(SettingsError, match="deterministic is 'yes'; expected true or false"):
        run(hparams, RunOptions.from_dictionary({"device": "cpu"}))
