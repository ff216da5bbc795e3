"""An export that is killed leaves a temporary folder, which the next writer beside it removes."""

import multiprocessing
import os
import re
import signal
from pathlib import Path

import pytest

from speechbrain_xser import packaged_model
from speechbrain_xser.model_folder import release
from speechbrain_xser.utils.files import HOST
from speechbrain_xser.utils.folders import written_folder

FORK = multiprocessing.get_context("fork")


def export(out: Path) -> None:
    release.release_folder(packaged_model("tiny"), out, merge=False, corpora={"Tiny": "ours"})


def killed_export(out: Path) -> str:
    """Exports until nothing but the texts is missing; the name of what is left."""

    def child():
        release._write_texts = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        export(out)

    process = FORK.Process(target=child)
    process.start()
    process.join(300)
    assert process.exitcode == -signal.SIGKILL
    (left,) = os.listdir(out.parent)
    assert (out.parent / left / "model.safetensors").is_file()
    return left


@pytest.mark.slow
@pytest.mark.parametrize("other", ["mine", "yours"])
def test_the_next_export_removes_what_a_killed_one_left_whatever_its_own_name(tmp_path, other):
    killed_export(tmp_path / "mine")
    export(tmp_path / other)
    assert os.listdir(tmp_path) == [other]


@pytest.mark.slow
def test_what_was_left_in_another_container_is_removed_too_but_not_while_its_writer_lives(tmp_path):
    left = killed_export(tmp_path / "mine")
    elsewhere = re.sub(HOST, "0" * len(HOST), left)
    abandoned = (tmp_path / left).rename(tmp_path / elsewhere)
    export(tmp_path / "new")
    assert abandoned.is_dir()  # its writer may be alive where locks do not reach
    for path in (*abandoned.rglob("*"), abandoned):
        os.utime(path, (0, 0))
    with written_folder(tmp_path / "alive") as staging:
        foreign = staging.rename(tmp_path / re.sub(HOST, "1" * len(HOST), staging.name))
        export(tmp_path / "new")
        assert sorted(os.listdir(tmp_path)) == sorted([foreign.name, "new"])
        foreign.rename(staging)
    assert sorted(os.listdir(tmp_path)) == ["alive", "new"]
