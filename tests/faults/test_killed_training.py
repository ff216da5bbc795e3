"""A run that was killed goes on as if nothing had happened."""

import signal

import pytest
import torch

from tests.training.runner import final_weights, tiny_hparams, train_in_process

pytestmark = pytest.mark.training

FINISHED, KILLED = 0, -signal.SIGKILL


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_killed_in_mid_epoch_of_both_stages_ends_bit_equal(data, uninterrupted, workers, tmp_path):
    hparams = tiny_hparams(data, tmp_path, num_workers=workers)

    exits = [train_in_process(hparams, kill_at) for kill_at in (3, 7, None)]

    assert exits == [KILLED, KILLED, FINISHED]
    weights = final_weights(tmp_path)
    assert weights.keys() == uninterrupted.keys()
    assert all(torch.equal(weights[name], uninterrupted[name]) for name in weights)


def test_a_run_killed_in_mid_turn_of_both_stages_ends_bit_equal_when_turns_are_counted_in_steps(data, tmp_path):
    turns = {"steps_per_turn": 3}  # asr at the steps 0 to 2, 6 and 7, ser at 3 to 5; an epoch has 4, a checkpoint 2
    assert train_in_process(tiny_hparams(data, tmp_path / "whole", **turns)) == FINISHED
    hparams = tiny_hparams(data, tmp_path / "killed", **turns)

    exits = [train_in_process(hparams, kill_at) for kill_at in (2, 5, None)]

    assert exits == [KILLED, KILLED, FINISHED]
    whole, weights = final_weights(tmp_path / "whole"), final_weights(tmp_path / "killed")
    assert weights.keys() == whole.keys()
    assert all(torch.equal(weights[name], whole[name]) for name in weights)


def test_a_start_that_was_killed_ends_bit_equal(data, tmp_path):
    start = {"order": "one_stage", "stages": ["asr", "labels"], "epochs_per_stage": 2}
    assert train_in_process(tiny_hparams(data, tmp_path / "whole", **start)) == FINISHED
    hparams = tiny_hparams(data, tmp_path / "killed", **start)

    exits = [train_in_process(hparams, kill_at) for kill_at in (3, 6, None)]

    assert exits == [KILLED, KILLED, FINISHED]
    whole, weights = final_weights(tmp_path / "whole"), final_weights(tmp_path / "killed")
    assert weights.keys() == whole.keys()
    assert all(torch.equal(weights[name], whole[name]) for name in weights)
