"""A run resumes from its own checkpoints only."""

import pytest

from speechbrain_xser.errors import CheckpointError
from tests.training.runner import make, tiny_data, tiny_hparams, train_in_process

pytestmark = pytest.mark.training

FINISHED = 0


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_data(tmp_path_factory.mktemp("data"))


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
