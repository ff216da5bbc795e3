"""A run that nobody disturbs, to compare with."""

import pytest

from tests.training.runner import final_weights, tiny_data, tiny_hparams, train_in_process


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tiny_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def uninterrupted(data, tmp_path_factory):
    output = tmp_path_factory.mktemp("uninterrupted")
    assert train_in_process(tiny_hparams(data, output)) == 0
    return final_weights(output)
