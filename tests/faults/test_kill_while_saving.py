"""Killed at every call to the file system in turn: what was saved is found, in one piece, or what it replaces is."""

import multiprocessing
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from speechbrain_xser.training.checkpoint import CheckpointStore, load_tensors
from speechbrain_xser.utils.files import written_beside
from speechbrain_xser.utils.folders import whole_folder, written_folder
from tests.dying import KILLED, die_after

FORK = multiprocessing.get_context("fork")


def killed_at(count: int, work) -> bool:
    """Does some work in a process of its own, which ends at its n-th call; whether it came that far."""

    def child():
        die_after(count)
        work()

    process = FORK.Process(target=child)
    process.start()
    process.join(60)
    assert process.exitcode in (0, KILLED)
    return process.exitcode == KILLED


def save(folder: Path, step: int, value: float, **metrics) -> None:
    CheckpointStore(folder).save(step, {"model": {"w": torch.full((100,), value)}}, {"value": value}, metrics)


@pytest.mark.parametrize("metrics", [{}, {"ua": 50.0}])
@pytest.mark.slow
def test_a_step_that_is_saved_again_is_found_whole_at_every_instant(tmp_path, metrics):
    """A run's only checkpoint, which is saved a second and a third time."""
    found, count = set(), 0
    while True:
        folder = tmp_path / str(count)
        save(folder, 1, 7.0, **metrics)
        save(folder, 1, 8.0, **metrics)
        killed = killed_at(count, lambda folder=folder: save(folder, 1, 9.0, **metrics))
        latest = CheckpointStore(folder).latest()
        values = load_tensors(latest, "model")["w"].unique().tolist()
        assert values == [latest.state["value"]] and values[0] in (8.0, 9.0), count
        if metrics:
            assert CheckpointStore(folder).best().state == latest.state
        found.add(values[0])
        save(folder, 2, 10.0)  # the run goes on, and nothing of the killed one stays
        assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
        assert len(list(folder.iterdir())) == (2 if metrics else 1)
        if not killed:
            break
        count += 1
    assert found == {8.0, 9.0} and count > 8


@pytest.mark.slow
def test_a_checkpoint_whose_removal_was_killed_is_none_any_more(tmp_path, caplog):
    """What is half removed has no name of a checkpoint, so nothing is said of it, and the next save removes it."""
    count, killed = 0, True
    while killed:
        folder = tmp_path / str(count)
        save(folder, 1, 1.0)
        killed = killed_at(count, lambda folder=folder: save(folder, 2, 2.0))
        named = sorted(path.name for path in folder.iterdir() if path.name.startswith("step"))
        assert named == [found.folder.name for found in CheckpointStore(folder).list()], count
        save(folder, 3, 3.0)
        assert [path.name for path in folder.iterdir()] == ["step-000000003"], count
        count += 1
    assert count > 8 and caplog.text == ""


@pytest.mark.slow
def test_a_model_folder_that_is_written_again_is_found_whole_at_every_instant(tmp_path):
    def write(folder: Path, value: float) -> None:
        with written_folder(folder) as staging:
            save_file({"w": torch.full((100,), value)}, staging / "model.safetensors")
            (staging / "metadata.json").write_text(str(value))

    found, count = set(), 0
    while True:
        folder = tmp_path / str(count) / "model"
        write(folder, 1.0)
        killed = killed_at(count, lambda folder=folder: write(folder, 2.0))
        here = Path(whole_folder(folder))
        values = load_file(here / "model.safetensors")["w"].unique().tolist()
        assert values == [float((here / "metadata.json").read_text())], count
        found.add((here == folder, values[0]))
        write(folder, 3.0)
        assert load_file(folder / "model.safetensors")["w"].eq(3.0).all()
        assert [path.name for path in folder.parent.iterdir()] == ["model"]  # nothing of the killed one stays
        if not killed:
            break
        count += 1
    assert found == {(True, 1.0), (False, 1.0), (True, 2.0)}


@pytest.mark.slow
def test_a_file_that_is_written_again_is_found_whole_at_every_instant(tmp_path):
    def write(path: Path, text: str) -> None:
        with written_beside(path) as file:
            file.write(text)

    found, count = set(), 0
    while True:
        path = tmp_path / f"{count}.txt"
        write(path, "old" * 5000)
        killed = killed_at(count, lambda path=path: write(path, "new" * 5000))
        found.add(path.read_text())
        if not killed:
            break
        count += 1
    assert found == {"old" * 5000, "new" * 5000}
