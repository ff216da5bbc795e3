"""Finding clips and writing manifests once."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from speechbrain_xser.data.manifest import Utterance, read_manifest
from speechbrain_xser.data.preparation import DONE, find_audio, prepare_once
from speechbrain_xser.errors import ManifestError

ROOT = Path(__file__).parents[2]


def one_utterance() -> list[Utterance]:
    return [Utterance(id="a", wav="a.wav", split="train")]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ManifestError, match="nowhere"):
        find_audio(tmp_path / "nowhere")


def test_a_folder_without_clips_is_named(tmp_path):
    with pytest.raises(ManifestError, match=tmp_path.name):
        find_audio(tmp_path)


def test_one_clip_in_two_formats_is_refused(tmp_path):
    (tmp_path / "a.wav").touch()
    (tmp_path / "a.flac").touch()
    with pytest.raises(ManifestError, match="a.flac and a.wav"):
        find_audio(tmp_path)


def test_a_second_preparation_writes_nothing(tmp_path):
    first = prepare_once(tmp_path, {}, [], one_utterance, ["train"])
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert prepare_once(tmp_path, {}, [], lambda: pytest.fail("built again"), ["train"]) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == stamps


@pytest.mark.parametrize("change", ["option", "manifest", "done"])
def test_whatever_is_new_or_missing_is_built_again(tmp_path, change):
    paths = prepare_once(tmp_path, {}, [], one_utterance, ["train"])
    calls = []
    if change == "manifest":
        (tmp_path / paths["train"]).unlink()
    if change == "done":
        (tmp_path / DONE).unlink()
    options = {"seed": 2} if change == "option" else {}
    prepare_once(tmp_path, options, [], lambda: calls.append(1) or one_utterance(), ["train"])
    assert calls == [1]


@pytest.mark.parametrize("name", ["labels.csv", "labels.JSONL", "dialogue.txt", "clip.wav", "all.tar"])
def test_a_file_that_was_corrected_without_a_change_of_its_size_is_read_again(tmp_path, name):
    """In a table one changed letter counts even if its time was set back; for sound and archives the time decides."""
    (tmp_path / name).write_text("a,sad")
    before, built = (tmp_path / name).stat(), []

    def prepared() -> int:
        prepare_once(tmp_path / "out", {}, [tmp_path / name], lambda: built.append(1) or one_utterance(), ["train"])
        return len(built)

    assert [prepared(), prepared()] == [1, 1]
    (tmp_path / name).write_text("a,joy")
    if Path(name).suffix not in (".wav", ".tar"):
        os.utime(tmp_path / name, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        os.utime(tmp_path / name, ns=(before.st_atime_ns, before.st_mtime_ns + 1000))
    assert (tmp_path / name).stat().st_size == before.st_size and [prepared(), prepared()] == [2, 2]


def test_an_empty_split_is_refused_and_not_counted_as_done(tmp_path):
    with pytest.raises(ManifestError, match="train.jsonl"):
        prepare_once(tmp_path, {}, [], lambda: [], ["train"])
    assert not (tmp_path / DONE).exists()


def test_a_repeated_preparation_removes_what_a_killed_one_left(tmp_path, python):
    script = (
        "import os, signal\n"
        "from speechbrain_xser.data.manifest import Utterance\n"
        "from speechbrain_xser.data.preparation import prepare_once\n"
        "def build():\n"
        "    yield Utterance('a', 'a.wav', split='train')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"prepare_once({str(tmp_path)!r}, {{}}, [], build, ['train'])\n"
    )
    assert subprocess.run([python, "-c", script], cwd=ROOT).returncode == -signal.SIGKILL
    assert [path.suffix for path in tmp_path.glob("train*")] == [".part"]
    prepare_once(tmp_path, {}, [], one_utterance, ["train"])
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".")) == [
        "prepared.json", "summary.json", "train.jsonl",
    ]  # fmt: skip


def test_another_step_or_wording_prepares_again(tmp_path):
    calls = []

    def build():
        calls.append(1)
        return [Utterance("a", "a.wav", split="train", emotion="sad", gender="male", pitch="low")]

    texts = set()
    for options in ({}, {"wording": "varied"}, {"finish": [calls.extend]}, {}):
        paths = prepare_once(tmp_path, {}, [], build, ["train"], **options)
        texts.add(read_manifest(paths["train"])[0].caption)
    assert calls.count(1) == 4 and calls.count("train") == 1 and len(texts) == 2


def test_a_second_preparation_waits_for_the_first_and_finds_it_done(tmp_path, python):
    script = (
        "import sys, time\n"
        "from speechbrain_xser.data.manifest import Utterance\n"
        "from speechbrain_xser.data.preparation import prepare_once\n"
        "def build():\n"
        "    print('building', flush=True)\n"
        "    time.sleep(1)\n"
        "    yield Utterance('a', 'a.wav', split='train')\n"
        f"prepare_once({str(tmp_path)!r}, {{}}, [], build, ['train'])\n"
    )
    with subprocess.Popen([python, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "building\n"
        assert not (tmp_path / DONE).exists()
        paths = prepare_once(tmp_path, {}, [], lambda: pytest.fail("built again"), ["train"])
    assert [row.id for row in read_manifest(paths["train"])] == ["a"]


def test_another_table_of_the_same_length_is_prepared_again(tmp_path):
    table = tmp_path / "corpus" / "labels.CSV"
    table.parent.mkdir()
    calls = []

    def built(label: str) -> int:
        table.write_text(label)
        prepare_once(tmp_path, {}, [table], lambda: calls.append(1) or one_utterance(), ["train"])
        return len(calls)

    assert built("a,angry") == built("a,angry") == 1
    assert built("a,happy") == 2
