"""What a power cut could lose is on the disk before anything relies on it."""

import os
import shutil
from pathlib import Path

import pytest
import torch

from speechbrain_xser.training.checkpoint import CheckpointStore
from speechbrain_xser.utils.folders import written_folder

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="asks Linux what a descriptor is")


@pytest.fixture
def done(monkeypatch):
    """Syncs, moves and removals in their order, by path."""
    found, replace, remove = [], os.replace, shutil.rmtree

    def moved(source, place):
        found.append(("moved", str(place)))
        replace(source, place)

    def removed(path, **options):
        found.extend([("removed", str(path))] if Path(path).exists() else [])
        remove(path, **options)

    monkeypatch.setattr(os, "fsync", lambda number: found.append(("synced", os.readlink(f"/proc/self/fd/{number}"))))
    monkeypatch.setattr(os, "replace", moved)
    monkeypatch.setattr(shutil, "rmtree", removed)
    return found


def save(folder: Path, step: int) -> None:
    CheckpointStore(folder).save(step, {"model": {"w": torch.ones(3)}, "optimizers": {"m": torch.ones(3)}}, {})


def write(folder: Path, text: str) -> None:
    with written_folder(folder) as staging:
        (staging / "part").mkdir()
        for name in ("a.json", "part/b.json"):
            (staging / name).write_text(text)


def check(done: list, place: Path) -> list:
    """All of a staged folder is synced before it is moved to its place, and that before anything else happens."""
    moved = done.index(("moved", str(place)))
    synced = {Path(path).name for what, path in done[:moved] if what == "synced"}
    assert {path.name for path in place.rglob("*")} <= synced and any(".staging-" in name for name in synced)
    assert done[moved + 1] == ("synced", str(place.parent))
    return done[moved + 2 :]


def test_a_checkpoint_is_on_the_disk_before_the_older_one_is_removed(tmp_path, done):
    save(tmp_path, 1)
    done.clear()
    save(tmp_path, 2)
    after = check(done, tmp_path / "step-000000002")
    assert any(what == "removed" and "step-000000001" in path for what, path in after)
    assert not any(what == "removed" for what, _ in done[: -len(after)])


def test_a_model_folder_is_on_the_disk_before_the_older_one_is_removed(tmp_path, done):
    write(tmp_path / "model", "old")
    done.clear()
    write(tmp_path / "model", "new")
    after = check(done, tmp_path / "model")
    assert ("removed", str(tmp_path / ".model.old")) in after
