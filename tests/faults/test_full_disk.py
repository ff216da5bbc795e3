"""No space for what a training writes: typed, named, and nothing half-written stays."""

import resource

import pytest
import torch

from speechbrain_xser.training.checkpoint import CheckpointStore, load_tensors
from speechbrain_xser.utils.folders import written_folder
from tests.faults.limited import message_with

MOST = 10_000  # bytes of a file


@pytest.mark.slow
def test_a_checkpoint_without_space_leaves_the_older_one_and_names_path_and_bytes(tmp_path):
    store = CheckpointStore(tmp_path / "checkpoints")
    store.save(1, {"model": {"w": torch.ones(2)}}, {})
    large = {"model": {"w": torch.ones(100_000)}}

    told = message_with(resource.RLIMIT_FSIZE, MOST, lambda: store.save(2, large, {}), tmp_path / "told")

    assert told.startswith(f"CheckpointError: Checkpoint {store.folder}/step-000000002 could not be written")
    assert "needs 400000 bytes" in told and "free some space" in told
    assert [path.name for path in store.folder.iterdir()] == ["step-000000001"]
    assert load_tensors(store.latest(), "model")["w"].eq(1).all()


@pytest.mark.slow
def test_a_model_folder_without_space_leaves_the_older_one(tmp_path):
    def write(text):
        with written_folder(tmp_path / "out" / "model") as staging:
            (staging / "a.json").write_text(text)

    write("old")
    told = message_with(resource.RLIMIT_FSIZE, MOST, lambda: write("new" * MOST), tmp_path / "told")
    assert told.startswith(f"CheckpointError: {tmp_path}/out/model: cannot be written") and "free some space" in told
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model"]
    assert (tmp_path / "out" / "model" / "a.json").read_text() == "old"
