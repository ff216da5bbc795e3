"""Standardised states, against numpy."""

import numpy as np
import pytest
import torch

from speechbrain_xser.errors import TrainingError
from speechbrain_xser.lobes.standardization import StateStandardization
from speechbrain_xser.lobes.states import LayerStates
from speechbrain_xser.testing import tiny_model

FRAMES = torch.tensor([7, 3])


@pytest.fixture
def states():
    """Two layers of very unequal spread, and garbage at padding."""
    layers = torch.randn(2, 2, 7, 4) * torch.tensor([0.1, 1.0, 15.0, 100.0]) + torch.tensor([5.0, 0.0, -3.0, 40.0])
    layers[:, 1, 3:] = 1e9
    return LayerStates(layers, FRAMES, torch.zeros(2))


def valid(states):
    return np.concatenate([states.layers[:, 0, :7].numpy(), states.layers[:, 1, :3].numpy()], axis=1)


def test_mean_and_spread_are_those_of_numpy_over_valid_frames(states, tmp_path):
    standardization = StateStandardization(tiny_model(tmp_path).encoder)
    standardization.mean, standardization.spread = torch.zeros(2, 4), torch.ones(2, 4)
    standardization.fit([states])
    np.testing.assert_allclose(standardization.mean, valid(states).mean(1), rtol=1e-5)
    np.testing.assert_allclose(standardization.spread, valid(states).std(1), rtol=1e-5)
    found = valid(standardization(states))
    np.testing.assert_allclose(found.mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(1), 1, rtol=1e-4)


def test_the_encoder_buffer_stays_as_it_was(states, tmp_path):
    before = states.layers.clone()
    standardization = StateStandardization(tiny_model(tmp_path).encoder)
    standardization.mean, standardization.spread = torch.ones(2, 4), torch.ones(2, 4)
    assert not torch.equal(standardization(states).layers, before) and torch.equal(states.layers, before)


def test_no_clip_is_an_error(tmp_path):
    with pytest.raises(TrainingError, match="no clip to standardise"):
        StateStandardization(tiny_model(tmp_path).encoder).fit([])
