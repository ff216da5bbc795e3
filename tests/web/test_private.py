"""A server's folder, which holds uploads only while they are read."""

import os
import shutil
import subprocess
import sys
import tempfile

import pytest

from speechbrain_xser.utils.scratch_folder import remove_unlocked
from speechbrain_xser.web import private
from speechbrain_xser.web.private import private_folder, remove_old, taken


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_folder_is_removed_however_the_server_ends(place):
    with pytest.raises(SystemExit), private_folder() as folder:
        (folder / "uploads" / "a.wav").write_text("speech")
        raise SystemExit
    assert list(place.iterdir()) == []


def test_only_its_owner_can_open_the_folder(place):
    with private_folder() as folder:
        assert folder.stat().st_mode & 0o077 == 0


def test_temporary_files_of_anyone_in_the_process_are_in_the_folder(place):
    with private_folder() as folder, tempfile.NamedTemporaryFile() as file:
        assert file.name.startswith(str(folder))
    assert tempfile.tempdir == str(place) and "GRADIO_TEMP_DIR" not in os.environ


def test_what_a_killed_server_left_is_removed_by_the_next(place):
    code = "import os\nfrom speechbrain_xser.web.private import *\nwith private_folder(): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"TMPDIR": str(place)}, check=False)
    assert len(list(place.glob("xser-serve-*"))) == 1
    with private_folder() as folder:
        assert list(place.iterdir()) == [folder]


def test_the_folder_of_a_server_that_runs_is_left_alone(place):
    with private_folder() as folder:
        remove_unlocked(place, private.PREFIX)
        assert folder.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_what_is_no_lock_of_ours_is_neither_opened_nor_removed(place):
    precious = place / "precious"
    precious.write_text("kept")
    pipe, link = (place / f"xser-serve-{kind}" for kind in ("pipe", "link"))
    pipe.mkdir(), link.mkdir()
    os.mkfifo(pipe / ".lock")
    (link / ".lock").symlink_to(precious)
    with private_folder():
        assert pipe.is_dir() and link.is_dir() and precious.read_text() == "kept"


@pytest.mark.parametrize("name", [".", "1f", "pipe", "link"])
def test_only_a_regular_file_is_taken(place, name):
    uploads = place / "uploads"
    (uploads / "1f").mkdir(parents=True)
    (uploads / "1f" / "a.wav").write_text("another user's")
    os.mkfifo(uploads / "pipe")
    (uploads / "link").symlink_to(uploads / "1f" / "a.wav")
    with pytest.raises(FileNotFoundError), taken(uploads / name):
        pass
    assert (uploads / "1f" / "a.wav").read_text() == "another user's"
    assert {path.name for path in uploads.iterdir()} == {"1f", "pipe", "link"}


def test_an_upload_is_removed_even_if_reading_it_fails(place):
    upload = place / "uploads" / "1f" / "a.wav"
    upload.parent.mkdir(parents=True)
    upload.touch()
    with pytest.raises(ValueError), taken(upload):
        raise ValueError
    assert [path.name for path in place.rglob("*")] == ["uploads"]


def test_another_upload_of_the_same_content_and_name_does_not_take_the_file_away(place):
    upload = place / "a.wav"
    upload.write_text("speech")
    with taken(upload) as mine:
        upload.write_text("speech")
        with taken(upload):
            pass
        assert mine.read_text() == "speech"


def test_uploads_that_nobody_asked_about_are_removed_and_new_ones_stay(place):
    for name, age in (("old.wav", 700), ("new.wav", 10)):
        (place / name).touch()
        then = (place / name).stat().st_mtime - age
        os.utime(place / name, (then, then))
    remove_old(place, seconds=600)
    assert [path.name for path in place.iterdir()] == ["new.wav"]


def test_files_that_go_while_they_are_listed_are_passed_over(tmp_path, monkeypatch):
    """Two threads: one lists the uploads, the other has taken one, folder and all."""
    for name in "abc":
        (tmp_path / name).mkdir()
        (tmp_path / name / "clip.wav").touch()
    listed = private.files_in(tmp_path)
    first = next(listed)
    for folder in {tmp_path / name for name in "abc"} - {first.parent}:
        shutil.rmtree(folder)
    assert list(listed) == []
