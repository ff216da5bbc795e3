"""Checkpoints survive damage, odd metrics and hostile files."""

import json
import logging
import os
import pickle
import shutil
import stat

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from speechbrain_xser.errors import CheckpointError
from speechbrain_xser.testing import tiny_model
from speechbrain_xser.training.checkpoint import CheckpointStore, load_tensors
from speechbrain_xser.training.recovery import Recovery
from speechbrain_xser.utils.folders import written_folder


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


def zero_data(path):
    """Leaves the header and the size, as a disk does that lost blocks."""
    path.write_bytes(path.read_bytes()[:-400] + bytes(400))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: truncate(folder / "model.safetensors"),
        lambda folder: zero(folder / "model.safetensors"),
        lambda folder: zero_data(folder / "model.safetensors"),
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


def test_a_file_of_another_size_is_found_before_its_bytes_are_read(store):
    for step, change in ((1, lambda content: content[:-1]), (2, lambda content: content + b"0")):
        path = save(store, step).folder / "model.safetensors"
        path.write_bytes(change(path.read_bytes()))

    assert store.list() == []


def test_what_is_saved_after_a_damaged_checkpoint_was_skipped_is_kept(tmp_path):
    """Though its step is lower: the damaged one is not the newest."""
    save(CheckpointStore(tmp_path, keep_latest=2), 10)
    zero_data(save(CheckpointStore(tmp_path, keep_latest=2), 20).folder / "model.safetensors")

    run = CheckpointStore(tmp_path)
    assert run.latest().step == 10
    save(run, 12)
    assert CheckpointStore(tmp_path).latest().step == 12


def test_a_damaged_best_checkpoint_is_skipped_for_the_next_best(store):
    for step, ua in ((1, 40.0), (2, 50.0), (3, 30.0)):
        save(store, step, {"ua": ua})
    zero_data(store.best().folder / "model.safetensors")

    assert store.best().step == 1


def test_a_checkpoint_of_another_format_is_refused_and_kept(store):
    path = save(store, 1).folder / "state.json"
    path.write_text(path.read_text().replace('"format": 2', '"format": 1'))

    with pytest.raises(CheckpointError, match="step-000000001 has format 1, expected 2: .*another output folder"):
        store.latest()
    assert path.is_file()


def test_a_state_with_a_number_that_is_not_finite_is_refused_by_its_name(store):
    save(store, 1)
    with pytest.raises(CheckpointError, match="cannot hold tally.sums.norm, which is inf"):
        store.save(2, {"model": {"w": torch.ones(2)}}, {"tally": {"sums": {"norm": np.inf}}})

    assert [path.name for path in store.folder.iterdir()] == ["step-000000001"]


@pytest.mark.skipif(os.name != "posix", reason="modes are other ones elsewhere")
@pytest.mark.parametrize("umask, mode", [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_the_files_of_a_checkpoint_and_of_a_model_folder_have_the_mode_of_new_files(store, tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        save(store, 1)
        with written_folder(tmp_path / "model") as staging:
            (staging / "adapter").mkdir()
            save_file({"w": torch.ones(2)}, staging / "adapter" / "model.safetensors")
            (staging / "a.json").write_text("{}")
    finally:
        os.umask(before)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 4 and {stat.S_IMODE(path.stat().st_mode) for path in files} == {mode}


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


@pytest.mark.parametrize("name", ["../other.safetensors", "{folder}/other.safetensors", "sub/a.safetensors", "a.ckpt"])
def test_a_file_name_that_leads_out_of_the_checkpoint_is_refused(store, name):
    """Though there is such a file, of the size and the checksum that are stated."""
    folder = save(store, 1).folder
    name = name.format(folder=store.folder)
    document = json.loads((folder / "state.json").read_text())
    (folder / name).parent.mkdir(exist_ok=True)
    shutil.copyfile(folder / "model.safetensors", folder / name)
    (file,) = document["files"].values()
    document["files"] = {name: file}
    (folder / "state.json").write_text(json.dumps(document))

    assert store.list() == [] and store.latest() is None


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
