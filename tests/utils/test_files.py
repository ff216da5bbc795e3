"""A file is whole or absent, has the usual mode, and leaves nothing after a killed writer."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from speechbrain_xser.utils import files
from speechbrain_xser.utils.files import HOST, moved_into_place, remove_abandoned, written_beside

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def untidied(monkeypatch):
    monkeypatch.setattr(files, "_tidied", set())


@pytest.fixture
def synced(monkeypatch):
    """The order of syncs and moves."""
    done, replace = [], os.replace
    monkeypatch.setattr(os, "fsync", lambda number: done.append(os.readlink(f"/proc/self/fd/{number}")))
    monkeypatch.setattr(os, "replace", lambda *paths: done.append("moved") or replace(*paths))
    return done


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, OSError])
def test_any_interruption_leaves_only_the_old_file(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), written_beside(path) as file:
        file.write("new")
        raise error
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="asks Linux what a descriptor is")
def test_the_content_is_synced_before_the_move_and_the_folder_after_it(tmp_path, synced):
    with written_beside(tmp_path / "a.txt") as file:
        file.write("new")
    content, moved, folder = synced
    assert content.startswith(f"{tmp_path}/a.txt.") and moved == "moved" and folder == str(tmp_path)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="asks Linux what a descriptor is")
def test_a_reproducible_file_is_moved_without_a_sync(tmp_path, synced):
    with moved_into_place(tmp_path / "a.bin", synced=False) as beside:
        beside.write_bytes(b"new")
    assert synced == ["moved"]


@pytest.mark.skipif(os.name != "posix", reason="modes are other ones elsewhere")
@pytest.mark.parametrize("umask, mode", [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_a_file_has_the_mode_of_any_new_file_even_if_a_library_makes_it_private(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        with written_beside(tmp_path / "a.txt") as file:
            file.write("new")
        with moved_into_place(tmp_path / "a.safetensors") as beside:
            save_file({"a": torch.zeros(2)}, beside)
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()] == [mode] * 2


@pytest.mark.skipif(os.name != "posix", reason="modes are other ones elsewhere")
def test_a_private_file_stays_private(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(0o600)
    with written_beside(path) as file:
        file.write("new")
    assert path.read_text() == "new" and stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_stays_a_link_to_the_file_that_is_written(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "a.txt").symlink_to(tmp_path / "disk" / "b.txt")
    with written_beside(tmp_path / "a.txt") as file:
        file.write("new")
    assert (tmp_path / "a.txt").is_symlink() and (tmp_path / "disk" / "b.txt").read_text() == "new"


def test_two_writers_of_one_file_do_not_write_into_one_another(tmp_path):
    with written_beside(tmp_path / "a.txt") as one, written_beside(tmp_path / "a.txt") as other:
        one.write("one")
        other.write("other")
    assert (tmp_path / "a.txt").read_text() == "one" and os.listdir(tmp_path) == ["a.txt"]


def test_a_full_disk_and_a_missing_folder_name_the_file_that_was_to_be_written(tmp_path):
    code = (
        "import resource, sys\n"
        "from speechbrain_xser.utils.files import written_beside\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    with written_beside(sys.argv[1]) as file:\n"
        "        file.write('a' * 100000)\n"
        "except OSError as error:\n"
        "    print(error)\n"
    )
    path = tmp_path / "a.txt"
    path.write_text("old")
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.endswith(f"'{path}'\n") and ".part" not in done.stdout, done.stderr
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]
    with pytest.raises(FileNotFoundError, match=r"nowhere/a.txt'$"), written_beside(tmp_path / "nowhere" / "a.txt"):
        pass


def test_the_next_writer_removes_a_killed_one_s_file_and_keeps_a_living_one_s(tmp_path):
    code = (
        "import os, sys\n"
        "from speechbrain_xser.utils.files import written_beside\n"
        "with written_beside(sys.argv[1]) as file:\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.txt")], cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL and len(os.listdir(tmp_path)) == 1
    others = [f"b.txt.{HOST}-{os.getppid()}-0.part", f"b.txt.00000000-{2**22 + 1}-0.part", "film.mp4.part"]
    for name in others:
        (tmp_path / name).touch()
    with written_beside(tmp_path / "c.txt") as file:
        file.write("new")
    assert sorted(os.listdir(tmp_path)) == sorted([*others, "c.txt"])


def test_a_folder_is_searched_once_and_not_for_every_file(tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr(files, "remove_abandoned", lambda folder: looked.append(folder) or remove_abandoned(folder))
    for name in "abc":
        with written_beside(tmp_path / name) as file:
            file.write(name)
    assert looked == [tmp_path]
