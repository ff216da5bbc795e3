"""A rank that is killed comes back with the others, and the run ends as if nobody had killed it.

``make test-scale`` kills ten times (``XSER_RANK_KILLS``), a plain run of this file twice.
"""

import os

import pytest
import torch

from speechbrain_xser.testing import tiny_encoder_folder, tiny_llm_folder, tiny_manifest
from tests.faults.killed_ranks import Kill, train
from tests.training.runner import final_weights

pytestmark = pytest.mark.training

KILLS = int(os.environ.get("XSER_RANK_KILLS", "2"))
STEPS = 4  # an epoch; a checkpoint every two
STAGES = ("asr", "ser")  # of epochs in turn


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    tiny_encoder_folder(folder / "backbones" / "encoder"), tiny_llm_folder(folder / "backbones" / "llm")
    manifests = {f"{split}_manifest": tiny_manifest(folder, n, n, split) for split, n in (("train", 7), ("valid", 3))}
    return {"backbones": folder / "backbones", **manifests, "epochs_per_stage": -(-KILLS // 2)}


def test_killed_ranks_come_back_in_both_stages_and_end_bit_equal(data, tmp_path, python):
    """The kills fall into the middle of an epoch each: rank 0, then rank 1, and the other way round in the next two."""
    kills = [Kill((epoch + epoch // 2) % 2, epoch * STEPS + STEPS // 2) for epoch in range(KILLS)]

    met = train(python, data, tmp_path / "killed", kills)
    train(python, data, tmp_path / "whole", [])

    assert met == [(kill.rank, STAGES[epoch % 2]) for epoch, kill in enumerate(kills)]
    whole, weights = final_weights(tmp_path / "whole"), final_weights(tmp_path / "killed")
    assert weights.keys() == whole.keys()
    assert all(torch.equal(weights[name], whole[name]) for name in weights)
    for file in ("train_log.txt", "model/settings.json", "model/model.safetensors"):
        assert (tmp_path / "killed" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
