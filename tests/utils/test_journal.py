"""A journal survives kills, power cuts and full disks, and leaves other files unchanged."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from speechbrain_xser.annotator.measures import Measures
from speechbrain_xser.errors import JournalError
from speechbrain_xser.utils.journal import Journal
from tests.utils.writer import Text, row

ROOT = Path(__file__).parents[2]
NOBODY = 65534


def process(*arguments) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.utils.writer", *map(str, arguments)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def killed_after(path: Path, rows: int) -> int:
    """Kills a writer shortly after it reports a number of rows; returns the number reported."""
    writer = process(path, 100000)
    told = [int(writer.stdout.readline()) for _ in range(rows)]
    writer.send_signal(signal.SIGKILL)
    told += [int(line) for line in writer.stdout.read().split("\n")[:-1]]
    assert writer.wait() == -signal.SIGKILL
    return len(told)


def contents(path: Path) -> dict[str, Text]:
    with Journal(path, Text) as journal:
        return dict(journal)


def filled(path: Path, rows: int) -> Path:
    with Journal(path, Text) as journal:
        journal.add_all(map(row, range(rows)))
    return path


@pytest.mark.slow
def test_a_kill_while_writing_loses_nothing_that_was_reported(tmp_path):
    path, kept = tmp_path / "a.sqlite", 0
    for rows in (1, 7, 23, 60):
        told = killed_after(path, max(rows, kept + 1))
        found = contents(path)
        assert found == dict(map(row, range(len(found)))) and max(told, kept) <= len(found) <= max(told + 1, kept)
        kept = len(found)


def test_whatever_a_power_cut_leaves_of_the_log_the_rows_before_are_whole(tmp_path):
    path, log = tmp_path / "a.sqlite", tmp_path / "a.sqlite-wal"
    killed_after(path, 20)
    whole, sizes = log.read_bytes(), set()
    for part in range(0, len(whole), len(whole) // 40):
        copy = Path(shutil.copy(path, tmp_path / "copy.sqlite"))
        copy.with_name("copy.sqlite-wal").write_bytes(whole[:part] + bytes(min(100, len(whole) - part)))
        found = contents(copy)
        assert found == dict(map(row, range(len(found))))
        sizes.add(len(found))
    assert 0 in sizes and len(sizes) > 10


def test_a_kill_during_the_checkpoint_of_the_log_loses_nothing(tmp_path):
    path, log = tmp_path / "a.sqlite", tmp_path / "a.sqlite-wal"
    with Journal(path, Text) as journal:
        journal.add_all(map(row, range(50)))
        logged = log.read_bytes()
    path.write_bytes(path.read_bytes()[:4096])  # the first page, which says that there are more, and no other yet
    log.write_bytes(logged)
    assert contents(path) == dict(map(row, range(50)))


def test_each_addition_is_synced_before_it_counts(tmp_path):
    with Journal(tmp_path / "a.sqlite", Text) as journal:
        settings = [
            journal._database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("synchronous", "journal_mode", "locking_mode")
        ]
    assert settings == [2, "wal", "exclusive"]  # 2 is FULL: the log is synced at each commit


def test_several_findings_are_kept_all_or_none(tmp_path):
    path = filled(tmp_path / "a.sqlite", 3)
    with Journal(path, Text) as journal, pytest.raises(ZeroDivisionError):
        journal.add_all(row(number if number < 8 else 1 // 0) for number in range(3, 9))
    with Journal(path, Text) as journal, pytest.raises(sqlite3.Error):
        journal.add_all([row(3), (b"".hex, row(4)[1])])  # the second key is none
    assert contents(path) == dict(map(row, range(3)))


def test_an_existing_key_is_overwritten(tmp_path):
    with Journal(tmp_path / "a.sqlite", Text) as journal:
        journal.add("a", Text("old"))
        journal.add("a", Text("new \ud800 ü"))  # a lone surrogate too
        assert dict(journal) == {"a": Text("new \ud800 ü")} and len(journal) == 1 and journal.get("b") is None


@pytest.mark.parametrize(
    "content",
    [b"My diary\n" * 500, b'{"key": "a", "found": {"text": "b"}}\n', bytes(8192), b"SQLite format 3\0", b"\n"],
    ids=["text", "lines of an earlier version", "zeros", "half a header", "one byte"],
)
def test_a_file_that_is_not_a_journal_is_refused_and_left_unchanged(tmp_path, content):
    path = tmp_path / "diary"
    path.write_bytes(content)
    with pytest.raises(JournalError, match="diary is not a journal of this program .*: name another file, or move"):
        Journal(path, Text)
    assert path.read_bytes() == content and os.listdir(tmp_path) == ["diary"]


def test_another_program_s_database_is_refused_and_left_unchanged(tmp_path):
    path = tmp_path / "theirs.sqlite"
    with sqlite3.connect(path) as theirs:
        theirs.execute("CREATE TABLE Text (key TEXT PRIMARY KEY, found TEXT, checksum INTEGER) WITHOUT ROWID")
    theirs.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match="theirs.sqlite is not a journal of this program"):
        Journal(path, Text)
    assert path.read_bytes() == before


def test_a_journal_of_other_findings_or_of_another_format_is_refused_by_name(tmp_path):
    path = filled(tmp_path / "a.sqlite", 3)
    with pytest.raises(JournalError, match="a.sqlite keeps Text, not Measures: name another file"):
        Journal(path, Measures)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 2")
    database.close()
    with pytest.raises(JournalError, match="a.sqlite has format 2, expected 1"):
        Journal(path, Text)


@pytest.mark.parametrize("place", [5000, 60000, 150000])
def test_bytes_that_were_overwritten_in_the_middle_are_one_line_with_the_remedy(tmp_path, place):
    path = filled(tmp_path / "a.sqlite", 200)
    with open(path, "r+b") as file:
        file.seek(place // 4096 * 4096)  # from the head of a page
        file.write(b"\xff" * 2000)
    damaged = path.read_bytes()
    with pytest.raises(JournalError, match="a.sqlite is damaged .*: restore a copy, or remove it") as told:
        contents(path)
    assert "\n" not in str(told.value) and path.read_bytes() == damaged


def test_a_changed_letter_is_noticed_by_the_checksum(tmp_path):
    path = filled(tmp_path / "a.sqlite", 30)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"c" * 500, b"c" * 499 + b"d", 1))  # what SQLite's own check does not see
    with Journal(path, Text) as journal:
        assert journal["000001"] == row(1)[1]
        with pytest.raises(JournalError, match="damaged .the checksum of '000002' does not match"):
            journal["000002"]


def test_a_journal_whose_end_is_missing_is_damaged_and_not_emptied(tmp_path):
    path = filled(tmp_path / "a.sqlite", 200)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(JournalError, match="a.sqlite is damaged"):
        contents(path)
    assert path.stat().st_size > 100000


def test_a_second_run_is_refused_while_the_first_holds_the_journal_and_not_after_its_kill(tmp_path):
    path = tmp_path / "a.sqlite"
    first = process(path, 3)
    while first.stdout.readline() != "done\n":
        pass
    with pytest.raises(JournalError, match="Another run is writing to .*a.sqlite: wait until it ends, or choose"):
        Journal(path, Text)
    first.kill()
    first.wait()
    assert contents(path) == dict(map(row, range(3)))


def test_a_full_disk_names_the_file_and_keeps_what_was_there(tmp_path):
    """A file size limit simulates a full disk and needs no rights; SQLite reports a full disk."""
    path = filled(tmp_path / "a.sqlite", 20)
    writer = process(path, 100000, 300000)
    *told, error = writer.communicate()[0].splitlines()
    assert f"{path}: " in error and "What was saved is safe" in error and writer.returncode == 0
    found = contents(path)
    assert found == dict(map(row, range(max(20, len(told))))) and len(told) > 20


def test_a_database_that_cannot_grow_is_reported_as_a_full_disk_and_recovers(tmp_path):
    with Journal(filled(tmp_path / "a.sqlite", 20), Text) as journal:
        journal._database.execute("PRAGMA max_page_count = 1")  # no more than there are
        with pytest.raises(JournalError, match="a.sqlite: the disk is full.*free some space, and give the same"):
            journal.add_all(map(row, range(20, 60)))
        journal._database.execute("PRAGMA max_page_count = 1000")
        assert len(journal) == 20
        journal.add(*row(20))
    assert len(contents(tmp_path / "a.sqlite")) == 21


@pytest.fixture
def locked_folder():
    """A folder that this process may read and not write, even as root."""
    place = Path(tempfile.mkdtemp())
    filled(place / "a.sqlite", 3)
    place.chmod(0o555)
    (place / "a.sqlite").chmod(0o444)
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    yield place
    if root:
        os.seteuid(0)
    shutil.rmtree(place)


@pytest.mark.skipif(os.name != "posix", reason="rights are other ones elsewhere")
@pytest.mark.parametrize("name", ["a.sqlite", "new.sqlite"])
def test_a_read_only_folder_is_refused_in_one_line(locked_folder, name):
    with pytest.raises(JournalError, match=f"{name}.* check (the )?permissions"):
        Journal(locked_folder / name, Text)
    assert os.listdir(locked_folder) == ["a.sqlite"]


def test_a_folder_or_a_missing_path_is_refused_in_one_line(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere" / "a.sqlite"):
        with pytest.raises(JournalError, match=f"{path}.*unable to open"):
            Journal(path, Text)


def test_threads_that_add_and_read_at_once_lose_nothing(tmp_path):
    """A process pool takes its work in another thread, which asks for stored keys."""

    def add(part: int) -> int:
        for number in range(part * 20, part * 20 + 20):
            journal.add(*row(number))
            assert journal[row(number)[0]] == row(number)[1]
        return sum(key in journal for key in (row(number)[0] for number in range(part * 20, part * 20 + 20)))

    with Journal(tmp_path / "a.sqlite", Text) as journal, ThreadPoolExecutor(8) as threads:
        assert list(threads.map(add, range(8))) == [20] * 8
    assert contents(tmp_path / "a.sqlite") == dict(map(row, range(160)))


def test_more_keys_than_one_read_takes_are_all_read_once(tmp_path):
    pairs = [(f"{number:05}", Text("")) for number in range(2000)]
    with Journal(tmp_path / "a.sqlite", Text) as journal:
        journal.add_all(pairs)
        assert list(journal) == [key for key, _ in pairs]


def test_a_closed_journal_is_an_error_of_the_program_not_of_the_file(tmp_path):
    with Journal(tmp_path / "a.sqlite", Text) as journal:
        pass
    with pytest.raises(sqlite3.ProgrammingError):
        len(journal)
