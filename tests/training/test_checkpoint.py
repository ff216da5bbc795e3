"""Checkpoints survive kills, full disks, odd metrics and hostile files."""

import json
import logging
import os
import pickle
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from speechbrain_xser.errors import CheckpointError
from speechbrain_xser.testing import tiny_model
from speechbrain_xser.training import checkpoint as module
from speechbrain_xser.training.checkpoint import CheckpointStore, load_tensors
from speechbrain_xser.training.recovery import Recovery


def save(store, step, metrics=None, value=None):
    tensor = torch.full((100,), float(step if value is None else value))
    return store.save(step, {"model": {"w": tensor}}, {"note": step}, metrics)


@pytest.fixture
def store(tmp_path):
    return CheckpointStore(tmp_path / "checkpoints", keep_latest=3)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-40])


def zero(path):
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: truncate(folder / "model.safetensors"),
        lambda folder: zero(folder / "model.safetensors"),
        lambda folder: (folder / "model.safetensors").unlink(),
        lambda folder: truncate(folder / "state.json"),
        lambda folder: (folder / "state.json").write_text("[]"),
        lambda folder: (folder / "state.json").unlink(),
    ],
)
def test_a_torn_checkpoint_is_passed_over_with_one_warning_for_the_one_before(store, damage, caplog):
    save(store, 1)
    damage(save(store, 2).folder)

    with caplog.at_level(logging.WARNING):
        found = [store.latest() for _ in range(3)]

    assert {checkpoint.step for checkpoint in found} == {1}
    assert sum("step-000000002 is incomplete" in record.getMessage() for record in caplog.records) == 1


def test_what_a_kill_left_while_writing_or_removing_is_no_checkpoint_and_is_cleaned_up(store):
    kept = save(store, 1)
    shutil.copytree(kept.folder, store.folder / ".staging-step-000000009")
    shutil.copytree(kept.folder, store.folder / ".trash-step-000000000")

    assert store.latest().step == 1
    save(store, 2)
    assert sorted(path.name for path in store.folder.iterdir()) == ["step-000000001", "step-000000002"]


def test_a_full_disk_leaves_the_older_checkpoint_and_no_staging_and_names_path_and_bytes(store, monkeypatch):
    save(store, 1)

    def full(tensors, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "save_file", full)
    with pytest.raises(CheckpointError, match=r"step-000000002 could not be written.*No space left.*needs 400 bytes"):
        save(store, 2)

    assert [path.name for path in store.folder.iterdir()] == ["step-000000001"]
    assert load_tensors(store.latest(), "model")["w"].eq(1).all()


def test_metrics_of_any_kind_are_stored_as_plain_floats(store):
    found = save(store, 1, {"ua": np.float32(0.5), "wer": torch.tensor(3.0), "loss": np.inf})

    document = json.loads((found.folder / "state.json").read_text())
    assert document["metrics"] == {"ua": 0.5, "wer": 3.0, "loss": None}


@pytest.mark.parametrize("worthless", [float("nan"), float("inf"), np.float64("nan"), torch.tensor(float("nan"))])
def test_a_metric_that_is_not_finite_is_never_best_and_never_evicts_the_best(tmp_path, worthless):
    store = CheckpointStore(tmp_path, keep_latest=1)
    for step, ua in ((1, 50.0), (2, worthless), (3, 40.0), (4, worthless)):
        save(store, step, {"ua": ua})

    assert store.best("ua").step == 1
    assert [found.step for found in store.list()] == [1, 4]


def test_a_checkpoint_without_ua_is_not_best_even_if_it_is_the_only_one(store):
    save(store, 1, {"wer": 10.0})

    assert store.best("ua") is None
    assert store.latest().step == 1


def test_the_newest_is_the_one_with_the_highest_step_whatever_the_clock_says(store):
    for step in (10, 9, 100):
        folder = save(store, step).folder
        os.utime(folder, (2_000_000_000 - step, 2_000_000_000 - step))

    assert store.latest().step == 100


def test_saving_a_step_again_replaces_it(store):
    save(store, 1, value=7)
    save(store, 1, value=8)

    assert load_tensors(store.latest(), "model")["w"].eq(8).all()


def test_the_end_of_an_epoch_is_behind_its_last_step_however_often_that_was_saved(store):
    for metrics in (None, None, {"ua": 1.0}, None):
        save(store, 4, metrics)

    assert [found.folder.name for found in store.list()] == ["step-000000004.2", "step-000000004-end"]
    assert store.latest().metrics == store.best().metrics == {"ua": 1.0}


class Bomb:
    def __reduce__(self):
        return (os.system, ("touch exploded",))


def test_a_pickle_or_yaml_in_a_checkpoint_is_never_opened(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = save(store, 1).folder
    (folder / "model.ckpt").write_bytes(pickle.dumps(Bomb()))
    (folder / "CKPT.yaml").write_text("!!python/object/apply:os.system ['touch exploded']")
    assert store.latest().step == 1

    (folder / "model.safetensors").write_bytes(pickle.dumps(Bomb()))
    assert store.latest() is None
    assert not (tmp_path / "exploded").exists()


def test_a_file_name_that_leads_out_of_the_checkpoint_is_refused(store):
    folder = save(store, 1).folder
    document = json.loads((folder / "state.json").read_text())
    document["files"] = {"../../other.safetensors": 1}
    (folder / "state.json").write_text(json.dumps(document))

    assert store.latest() is None


@pytest.mark.slow
def test_what_is_saved_is_what_is_owned_even_if_it_is_frozen_and_never_a_backbone(store, tmp_path):
    model = tiny_model(tmp_path).requires_grad_(False)
    Recovery(store, model, {}).save(1, None, {}, {})

    saved = load_file(store.latest().folder / "model.safetensors")

    assert {name.split(".")[0] for name in saved} == {"branches", "decoder"}
    assert all("lora_" in name for name in saved if name.startswith("decoder"))
    assert saved.keys() == model.state_dict().keys()


def test_weights_with_other_names_or_shapes_are_refused_by_name_and_nothing_is_loaded(store):
    Recovery(store, nn.Linear(3, 1), {}).save(1, None, {}, {})
    other = nn.Linear(2, 1)
    before = other.bias.clone()

    with pytest.raises(CheckpointError, match=r"weight: checkpoint has \[1, 3\], this run \[1, 2\]"):
        Recovery(store, other, {}).resume(None, {})
    assert other.bias.equal(before)


def test_another_base_model_is_refused_for_training_and_for_evaluation(store):
    Recovery(store, nn.Linear(1, 1), {"llm": "aaa"}).save(1, None, {"seed": 1}, {}, {"ua": 1.0})
    other = Recovery(store, nn.Linear(1, 1), {"llm": "bbb"})

    for load in (lambda: other.resume(None, {"seed": 1}), lambda: other.load_best("ua")):
        with pytest.raises(CheckpointError, match="llm: checkpoint has 'aaa', this run 'bbb'"):
            load()
