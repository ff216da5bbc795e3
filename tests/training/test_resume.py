"""A run that was killed goes on as if nothing had happened."""

import signal

import pytest
import torch

from speechbrain_xser.errors import CheckpointError
from speechbrain_xser.training.checkpoint import CheckpointStore
from tests.training.runner import final_weights, make, tiny_data, tiny_hparams, train_in_process

pytestmark = pytest.mark.training

FINISHED, KILLED = 0, -signal.SIGKILL


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def uninterrupted(data, tmp_path_factory):
    output = tmp_path_factory.mktemp("uninterrupted")
    assert train_in_process(tiny_hparams(data, output)) == FINISHED
    return final_weights(output)


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


def test_a_run_that_ran_out_of_memory_goes_on_with_smaller_micro_batches(data, tmp_path):
    train_in_process(tiny_hparams(data, tmp_path, batch_size=2, grad_accumulation_factor=1), 3)

    assert train_in_process(tiny_hparams(data, tmp_path, batch_size=1, grad_accumulation_factor=2)) == FINISHED


def test_other_values_of_training_are_refused_instead_of_reporting_the_old_run_as_theirs(data, tmp_path):
    train_in_process(tiny_hparams(data, tmp_path))
    other = {"beta": 0.5, "stage2_learning_rate": 0.1, "train_manifest": data["valid_manifest"]}
    brain, loaders = make(tiny_hparams({**data, **other}, tmp_path))

    with pytest.raises(CheckpointError, match="beta: checkpoint has 0.001.*lengths: .*ser peak: checkpoint has 0.01"):
        brain.fit(loaders.train)


def test_a_checkpoint_of_another_schedule_seed_or_vocabulary_is_refused_with_the_differing_keys(data, tmp_path):
    train_in_process(tiny_hparams(data, tmp_path), 3)
    brain, loaders = make(tiny_hparams(data, tmp_path, order="two_stage", seed=3))
    brain.recovery.base["vocabulary"] = 7

    with pytest.raises(CheckpointError, match="order: .*'alternating'.*'two_stage'.*seed: .*vocabulary: .*this run 7"):
        brain.fit(loaders.train)
