"""A user's clips become manifests: tables, folders and data sets, generated and, if present, of real clips."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechbrain_xser.cli.recipe_command import prepare_command
from speechbrain_xser.data.manifest import read_manifest
from speechbrain_xser.data.tables import read_table
from speechbrain_xser.errors import ManifestError
from tests.genuine import DATA

ROOT = Path(__file__).parents[2]
needs_real_clips = pytest.mark.skipif(
    not (DATA / "emodb").is_dir(), reason="real clips are not here: set XSER_DATA to the folder with emodb/ and tess/"
)


def load_recipe():
    spec = importlib.util.spec_from_file_location("generic_prepare", ROOT / "recipes" / "Generic" / "prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


recipe = load_recipe()


@pytest.fixture
def clips(tmp_path) -> Path:
    """Ten speakers with a clip each, of 0.1 to 1 s, and no table."""
    for number in range(10):
        folder = tmp_path / "clips" / f"p{number}"
        folder.mkdir(parents=True)
        soundfile.write(folder / "say.wav", np.zeros(1600 * (number + 1)), 16000)
    return tmp_path / "clips"


def table(folder: Path, lines: list[str], name: str = "clips.csv") -> None:
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8-sig")


def found(paths: dict[str, str]) -> dict:
    return {clip.id: clip for path in paths.values() for clip in read_manifest(path)}


def summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text(encoding="utf-8"))


def reasons(folder: Path) -> dict[str, int]:
    return {reason: row["clips"] for reason, row in summary(folder)["dropped"].items()}


def test_the_only_table_in_the_folder_is_read_and_clips_are_measured(clips, tmp_path):
    table(clips, ["file;text;emotion;sex;age", 'p0/say.wav;"Yes; no";joy;F;31', "p4/say.wav;;anger;m;"])
    first, second = found(recipe.prepare(clips, tmp_path / "out")).values()
    assert (first.id, first.transcript, first.emotion) == ("clips-p0-say", "Yes; no", "happy")
    assert (first.gender, first.age, first.duration, first.split) == ("female", "youth adult", 0.1, "train")
    assert (second.transcript, second.emotion, second.age, second.duration) == (None, "angry", None, 0.5)


def test_folders_alone_are_clips_and_their_names_are_columns(clips, tmp_path):
    paths = recipe.prepare(clips, tmp_path / "out", columns="speaker=folder", corpus="home")
    assert list(paths) == ["train"]
    assert [clip.speaker for clip in found(paths).values()] == [f"home-p{number}" for number in range(10)]
    assert {clip.emotion for clip in found(paths).values()} == {None}


def test_speakers_are_split_7_1_2_and_heard_in_one_part(clips, tmp_path):
    paths = recipe.prepare(clips, tmp_path / "out", columns="speaker=folder", split="speaker")
    assert [len(read_manifest(paths[split])) for split in ("train", "valid", "test")] == [7, 1, 2]
    assert len(found(paths)) == 10


def test_too_few_speakers_for_three_parts_are_refused(clips, tmp_path):
    table(clips, ["path,speaker", "p0/say.wav,a", "p1/say.wav,b"])
    with pytest.raises(ManifestError, match="2 speakers are too few"):
        recipe.prepare(clips, tmp_path / "out", split="speaker")


def test_a_split_column_is_followed_and_other_words_in_it_are_dropped(clips, tmp_path):
    table(clips, ["path,subset", "p0/say.wav,Train", "p1/say.wav,dev", "p2/say.wav,secret"])
    paths = recipe.prepare(clips, tmp_path / "out")
    assert {clip.id: clip.split for clip in found(paths).values()} == {"clips-p0-say": "train", "clips-p1-say": "valid"}
    assert reasons(tmp_path / "out") == {"no split or speaker that says which part it is in": 1}


def test_the_summary_names_the_columns_and_the_words_that_were_not_read(clips, tmp_path, caplog):
    table(clips, ["path,emotion,gender", "p0/say.wav,joy,third", "p1/say.wav,awe,f"])
    recipe.prepare(clips, tmp_path / "out")
    assert reasons(tmp_path / "out") == {"emotion 'awe' is outside the vocabulary": 1}
    assert summary(tmp_path / "out")["columns"] == {"wav": "path", "emotion": "emotion", "gender": "gender"}
    assert summary(tmp_path / "out")["unread"] == {"gender": {"third": 1}}
    assert "gender left empty for 1 clips: 'third' (1)." in caplog.text


def test_words_that_mean_no_emotion_anywhere_are_named_when_nothing_is_left(clips, tmp_path):
    table(clips, ["path,emotion", "p0/say.wav,Freude"])
    with pytest.raises(ManifestError, match="Not one clip can be used: 1 emotion 'freude' is outside"):
        recipe.prepare(clips, tmp_path / "out")
    assert found(recipe.prepare(clips, tmp_path / "out", emotions="Freude=happy"))["clips-p0-say"].emotion == "happy"


def test_a_segment_has_its_own_length_and_one_outside_its_file_is_a_fault(clips, tmp_path):
    table(clips, ["path,start,stop", "p9/say.wav,0.25,0.75", "p9/say.wav,0.75,1.5"])
    [clip] = found(recipe.prepare(clips, tmp_path / "out")).values()
    assert clip.duration == 0.5
    assert reasons(tmp_path / "out") == {"segment outside its file": 1}


def test_a_table_with_absolute_paths_works_from_anywhere(clips, tmp_path):
    table(tmp_path, ["path", f"{clips}/p3/say.wav"], "elsewhere.csv")
    [clip] = found(recipe.prepare(clips, tmp_path / "out", table=str(tmp_path / "elsewhere.csv"))).values()
    assert (clip.wav, clip.duration) == ("{data_root}/p3/say.wav", 0.4)


def test_preparing_again_changes_nothing_and_a_changed_clip_is_measured_anew(clips, tmp_path):
    recipe.prepare(clips, tmp_path / "out")
    stamp = (tmp_path / "out" / "train.jsonl").stat().st_mtime_ns
    recipe.prepare(clips, tmp_path / "out")
    assert (tmp_path / "out" / "train.jsonl").stat().st_mtime_ns == stamp
    soundfile.write(clips / "p0" / "say.wav", np.zeros(32000), 16000)
    assert found(recipe.prepare(clips, tmp_path / "out"))["clips-p0-say"].duration == 2.0


def test_a_folder_without_sound_or_with_several_tables_is_refused(clips, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ManifestError, match="No clip in .*empty or below"):
        recipe.prepare(tmp_path / "empty", tmp_path / "out")
    table(clips, ["path", "p0/say.wav"])
    table(clips, ["path", "p0/say.wav"], "other.tsv")
    with pytest.raises(ManifestError, match="Tables clips.csv, other.tsv in .*: name one of them as table"):
        recipe.prepare(clips, tmp_path / "out")


def test_a_wrong_column_is_one_line_of_the_command(clips, tmp_path, capsys):
    table(clips, ["name,mood", "p0/say.wav,joy"])
    with pytest.raises(SystemExit) as caught:
        prepare_command(recipe.prepare, [f"--data_folder={clips}", f"--save_folder={tmp_path / 'out'}"])
    [line] = capsys.readouterr().err.splitlines()
    assert caught.value.code == 2 and re.search("clips.csv: No column with the clips' paths. .* 'name', 'mood'", line)


@needs_real_clips
def test_a_manifest_of_real_clips_is_imported_as_it_says(tmp_path):
    clips = found(recipe.prepare(DATA / "emodb", tmp_path / "out"))
    rows = {row["id"]: row for row in read_table(DATA / "emodb" / "manifest.csv")}
    assert set(clips) == set(rows) and len(rows) == 339
    for name, clip in clips.items():
        row = rows[name]
        assert (clip.transcript, clip.emotion, clip.gender) == (row["transcript"], row["emotion"], row["gender"])
        assert (clip.speaker, clip.age) == (row["speaker"], "youth adult")
        assert clip.duration == pytest.approx(float(row["duration"]), abs=0.001)


@needs_real_clips
def test_emotions_of_real_clips_come_from_folders_on_request(tmp_path):
    for row in read_table(DATA / "tess" / "manifest.csv"):
        path = tmp_path / "clips" / row["speaker"] / row["emotion"] / Path(row["path"]).name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(DATA / "tess" / row["path"])
    clips = found(recipe.prepare(tmp_path / "clips", tmp_path / "out", columns="emotion=folder,speaker=above"))
    assert len(clips) == 140
    assert {(clip.emotion, clip.speaker) for clip in clips.values() if "YAF_dog_ps" in clip.id} == {
        ("surprised", "clips-tess-YAF")
    }


@needs_real_clips
@pytest.mark.skipif(not (DATA / "annotations" / "emns").is_dir(), reason="EMNS' table is not here")
def test_emns_published_table_is_imported_with_its_counts(tmp_path):
    rows = read_table(DATA / "annotations" / "emns" / "emns_test.csv")
    (tmp_path / "EMNS").mkdir()
    for row in rows:
        soundfile.write(tmp_path / "EMNS" / row["file"], np.zeros(160), 16000)
    table_path = str((DATA / "annotations" / "emns" / "emns_test.csv").resolve())
    clips = found(recipe.prepare(tmp_path / "EMNS", tmp_path / "out", table=table_path, split="test"))
    assert len(clips) == 241 - 28
    assert reasons(tmp_path / "out") == {"emotion 'sarcastic' is outside the vocabulary": 28}
    assert {(clip.gender, clip.age, clip.speaker) for clip in clips.values()} == {("female", "youth adult", "EMNS-3")}
    emotions = summary(tmp_path / "out")["manifests"]["test"]["emotions"]
    assert emotions == dict(neutral=30, happy=62, sad=30, angry=27, surprised=31, disgusted=33)


def real_dataset(datasets):
    """Forty real clips of EmoDB with the sound inside, the label as a number."""
    rows = read_table(DATA / "emodb" / "manifest.csv")[::9]
    names = sorted({row["emotion"] for row in rows})
    sounds = [{"bytes": (DATA / "emodb" / row["path"]).read_bytes(), "path": f"{row['id']}.flac"} for row in rows]
    columns = {name: [row[name] for row in rows] for name in ("transcript", "gender", "speaker")}
    dataset = datasets.Dataset.from_dict(
        {"audio": sounds, "label": [names.index(r["emotion"]) for r in rows], **columns}
    )
    dataset = dataset.cast_column("audio", datasets.Audio(decode=False))
    return dataset.cast_column("label", datasets.ClassLabel(names=names)), rows


def assert_same(clips: dict, rows: list[dict]) -> None:
    """Checks that the clips are the table's, in its order."""
    assert len(clips) == len(rows)
    for clip, row in zip(clips.values(), rows, strict=True):
        assert (clip.emotion, clip.transcript, clip.gender) == (row["emotion"], row["transcript"], row["gender"])
        assert clip.duration == pytest.approx(float(row["duration"]), abs=0.001)
        assert Path(clip.wav).read_bytes() == (DATA / "emodb" / row["path"]).read_bytes()


@needs_real_clips
def test_a_data_set_that_was_saved_to_disk_is_imported_with_its_sound(tmp_path):
    datasets = pytest.importorskip("datasets")
    dataset, rows = real_dataset(datasets)
    dataset.save_to_disk(tmp_path / "saved")
    assert_same(found(recipe.prepare(tmp_path / "saved", tmp_path / "out")), rows)


@needs_real_clips
def test_a_data_set_of_splits_is_imported_split_by_split(tmp_path):
    datasets = pytest.importorskip("datasets")
    dataset, rows = real_dataset(datasets)
    half = len(rows) // 2
    parts = {"train": dataset.select(range(half)), "validation": dataset.select(range(half, len(rows)))}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    paths = recipe.prepare(tmp_path / "saved", tmp_path / "out")
    assert [len(read_manifest(paths[name])) for name in ("train", "valid")] == [half, len(rows) - half]
    assert_same(found(paths), rows)


@needs_real_clips
@pytest.mark.parametrize("place", ["clips.parquet", "data/test-00000-of-00001.parquet"])
def test_a_parquet_file_is_imported_by_its_name_or_as_the_hub_has_it(tmp_path, place):
    datasets = pytest.importorskip("datasets")
    dataset, rows = real_dataset(datasets)
    (tmp_path / "hub" / place).parent.mkdir(parents=True)
    dataset.to_parquet(tmp_path / "hub" / place)
    named = {"table": place} if "/" not in place else {}
    paths = recipe.prepare(tmp_path / "hub", tmp_path / "out", **named)
    assert list(paths) == (["train"] if named else ["test"])
    assert_same(found(paths), rows)


@needs_real_clips
def test_speakers_of_a_data_set_are_split_before_its_sound_is_read(tmp_path):
    datasets = pytest.importorskip("datasets")
    dataset, rows = real_dataset(datasets)
    dataset.save_to_disk(tmp_path / "saved")
    paths = recipe.prepare(tmp_path / "saved", tmp_path / "out", split="speaker")
    speakers = [{clip.speaker for clip in read_manifest(path)} for path in paths.values()]
    assert [len(part) for part in speakers] == [7, 1, 2]
    assert len(set.union(*speakers)) == 10
