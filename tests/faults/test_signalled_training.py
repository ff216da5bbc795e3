"""A run that gets a signal saves its step, says so by its exit code, and goes on exactly."""

import signal

import pytest
import torch

from speechbrain_xser.training.checkpoint import CheckpointStore
from tests.training.runner import final_weights, tiny_hparams, train_in_process

pytestmark = pytest.mark.training

FINISHED = 0


def test_sigterm_leaves_one_checkpoint_of_that_step_and_the_exit_code_143_and_the_run_goes_on_exactly(
    data, uninterrupted, tmp_path
):
    hparams = tiny_hparams(data, tmp_path, ckpt_interval_steps=0)

    assert train_in_process(hparams, 2, signal.SIGTERM) == 143
    assert [found.step for found in CheckpointStore(tmp_path / "checkpoints").list()] == [3]
    assert train_in_process(hparams) == FINISHED
    weights = final_weights(tmp_path)
    assert all(torch.equal(weights[name], uninterrupted[name]) for name in weights)


def test_ctrl_c_leaves_a_checkpoint_of_that_step_and_the_exit_code_130_and_the_run_goes_on_exactly(
    data, uninterrupted, tmp_path
):
    hparams = tiny_hparams(data, tmp_path, ckpt_interval_steps=0, num_workers=1)

    assert train_in_process(hparams, 2, signal.SIGINT) == 130
    assert [found.step for found in CheckpointStore(tmp_path / "checkpoints").list()] == [3]
    assert train_in_process(hparams) == FINISHED
    weights = final_weights(tmp_path)
    assert all(torch.equal(weights[name], uninterrupted[name]) for name in weights)
