"""No memory for what a training writes: typed, named, and nothing half-written stays."""

import resource

import pytest
import torch

from speechbrain_xser.training.checkpoint import CheckpointStore
from speechbrain_xser.utils.folders import written_folder
from tests.faults.limited import message_with

MORE = 64 << 20  # bytes that a process may take beyond what it has
LARGE = 256 << 20


@pytest.mark.slow
def test_out_of_memory_while_a_checkpoint_is_written_is_named_and_leaves_the_older_one(tmp_path):
    store = CheckpointStore(tmp_path / "checkpoints")
    store.save(1, {"model": {"w": torch.ones(2)}}, {})
    large = {"model": {"w": torch.ones(1).expand(LARGE // 4)}}  # takes memory only when it is written

    told = message_with(resource.RLIMIT_AS, MORE, lambda: store.save(2, large, {}), tmp_path / "told")

    assert told.startswith("TrainingError: Out of memory while checkpoint") and "step-000000002 was written" in told
    assert "Older checkpoints are intact; free some memory" in told
    assert [path.name for path in store.folder.iterdir()] == ["step-000000001"]


@pytest.mark.slow
def test_out_of_memory_while_a_model_folder_is_written_is_named_and_leaves_the_older_one(tmp_path):
    def write(size):
        with written_folder(tmp_path / "out" / "model") as staging:
            (staging / "a.bin").write_bytes(bytearray(size))

    write(1)
    told = message_with(resource.RLIMIT_AS, MORE, lambda: write(LARGE), tmp_path / "told")
    assert told.startswith("OutOfMemoryError: Out of memory while") and "model was written. What was there" in told
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model"]
    assert (tmp_path / "out" / "model" / "a.bin").stat().st_size == 1
