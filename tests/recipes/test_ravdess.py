"""RAVDESS' preparation, on a generated folder and on the real clips if present."""

import csv
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechbrain_xser.data.manifest import read_manifest
from speechbrain_xser.errors import ManifestError
from tests.genuine import DATA

ROOT = Path(__file__).parents[2]
REAL, EMOBOX = DATA / "ravdess", DATA / "annotations" / "emobox" / "ravdess" / "fold_1" / "ravdess_test_fold_1.jsonl"
needs_real_clips = pytest.mark.skipif(
    not REAL.is_dir(), reason="RAVDESS' clips are not here: set XSER_DATA to the folder with ravdess/"
)
FOLDS = range(1, 7)


def load_recipe():
    spec = importlib.util.spec_from_file_location("ravdess_prepare", ROOT / "recipes" / "RAVDESS" / "prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


recipe = load_recipe()


@pytest.fixture
def corpus(tmp_path) -> Path:
    """Every actor says one sentence neutrally and one calmly, in a tenth of a second."""
    for actor in range(1, 25):
        folder = tmp_path / "corpus" / f"Actor_{actor:02}"
        folder.mkdir(parents=True)
        for name in ("03-01-01-01-01-01", "03-01-02-01-02-01"):
            soundfile.write(folder / f"{name}-{actor:02}.wav", np.zeros(1600), 16000)
    return tmp_path / "corpus"


def every_clip(paths: dict[str, str]) -> dict:
    """Every clip once: it is in one fold's test part."""
    return {clip.id: clip for fold in FOLDS for clip in read_manifest(paths[f"fold_{fold}/test"])}


def reasons(folder: Path) -> dict[str, int]:
    dropped = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["dropped"]
    return {reason: row["clips"] for reason, row in dropped.items()}


def test_the_six_test_parts_are_two_women_and_two_men_each(corpus, tmp_path):
    paths = recipe.prepare(corpus, tmp_path / "out")
    for fold in FOLDS:
        genders = {clip.speaker: clip.gender for clip in read_manifest(paths[f"fold_{fold}/test"])}
        assert sorted(genders.values()) == ["female", "female", "male", "male"]
    assert len({clip.speaker for clip in every_clip(paths).values()}) == 24


def test_an_actor_is_in_one_part_of_a_fold_and_validation_is_two_women_and_two_men(corpus, tmp_path):
    paths = recipe.prepare(corpus, tmp_path / "out")
    for fold in FOLDS:
        parts = [read_manifest(paths[f"fold_{fold}/{part}"]) for part in ("train", "valid", "test")]
        speakers = [{clip.speaker for clip in part} for part in parts]
        assert [len(part) for part in speakers] == [16, 4, 4]
        assert len(set.union(*speakers)) == 24
        assert sorted({clip.speaker: clip.gender for clip in parts[1]}.values()) == ["female", "female", "male", "male"]


def test_calm_is_dropped_by_name_and_counted(corpus, tmp_path):
    found = every_clip(recipe.prepare(corpus, tmp_path / "out"))
    assert len(found) == 24
    assert reasons(tmp_path / "out") == {"emotion 'calm' is outside the vocabulary": 24}


def test_calm_counts_as_neutral_on_request(corpus, tmp_path):
    found = every_clip(recipe.prepare(corpus, tmp_path / "out", calm="neutral"))
    assert {clip.emotion for clip in found.values()} == {"neutral"}
    assert len(found) == 48


def test_songs_and_videos_are_left_out(corpus, tmp_path):
    for name in ("03-02-03-01-01-01-01", "01-01-03-01-01-01-01", "02-01-03-01-01-01-01"):
        soundfile.write(corpus / "Actor_01" / f"{name}.wav", np.zeros(1600), 16000)
    assert len(every_clip(recipe.prepare(corpus, tmp_path / "out"))) == 24
    assert reasons(tmp_path / "out")["song or video"] == 3


def test_a_download_that_holds_its_folder_twice_gives_each_clip_once(corpus, tmp_path):
    copy = corpus / "audio_speech_actors_01-24" / "Actor_01"
    copy.mkdir(parents=True)
    name = "03-01-01-01-01-01-01.wav"
    (copy / name).write_bytes((corpus / "Actor_01" / name).read_bytes())
    assert len(every_clip(recipe.prepare(corpus, tmp_path / "out"))) == 24
    assert reasons(tmp_path / "out")["copies of a clip in another folder"] == 1


def test_two_files_of_one_name_that_differ_are_refused(corpus, tmp_path):
    soundfile.write(corpus / "03-01-01-01-01-01-01.wav", np.zeros(800), 16000)
    with pytest.raises(ManifestError, match="Actor_01/03-01-01-01-01-01-01.wav .* differ"):
        recipe.prepare(corpus, tmp_path / "out")


def test_two_files_of_one_name_and_size_that_differ_are_refused(corpus, tmp_path):
    name = "03-01-01-01-01-01-01.wav"
    content = (corpus / "Actor_01" / name).read_bytes()
    (corpus / name).write_bytes(content[:-2] + b"\x01\x02")
    with pytest.raises(ManifestError, match=f"Actor_01/{name} .* differ"):
        recipe.prepare(corpus, tmp_path / "out")


@pytest.mark.parametrize("stem", ["03-01-09-01-01-01-01", "03-01-01-01-01-01-25", "03-01-01-01-01-01", "song"])
def test_a_foreign_file_name_is_refused_by_name(stem):
    with pytest.raises(ManifestError, match=stem):
        recipe.parse_name(stem)


def test_a_row_that_contradicts_the_file_name_is_refused(corpus, tmp_path):
    row = "ravdess-03-01-01-01-01-01-02,Actor_02/03-01-01-01-01-01-02.wav,ravdess-02,male"
    (corpus / "manifest.csv").write_text(f"id,path,speaker,gender\n{row}\n", encoding="utf-8")
    with pytest.raises(ManifestError, match="row 2: gender is 'male', the file name says 'female'"):
        recipe.prepare(corpus, tmp_path / "out")


def test_a_listed_but_missing_clip_is_a_fault(corpus, tmp_path, caplog):
    path = "Actor_01/03-01-03-01-01-01-01.wav"
    (corpus / "manifest.csv").write_text(f"path,emotion\n{path},happy\n", encoding="utf-8")
    recipe.prepare(corpus, tmp_path / "out")
    assert path in caplog.text
    assert reasons(tmp_path / "out")["cannot be read"] == 1


@pytest.fixture(scope="module")
def real_clips(tmp_path_factory) -> dict:
    return every_clip(recipe.prepare(REAL, tmp_path_factory.mktemp("real"), calm="neutral"))


@needs_real_clips
@pytest.mark.slow
def test_real_clips_agree_with_an_independent_table(real_clips):
    with open(REAL / "manifest.csv", encoding="utf-8", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert set(real_clips) == set(rows) and len(rows) == 1440
    for name, clip in real_clips.items():
        row = rows[name]
        emotion = "neutral" if row["emotion"] == "calm" else row["emotion"]
        assert (clip.emotion, clip.transcript, clip.gender, clip.speaker) == (
            emotion,
            row["transcript"],
            row["gender"],
            row["speaker"],
        )
        assert clip.wav == f"{{data_root}}/{row['path']}"
        assert clip.duration == pytest.approx(float(row["duration"]), abs=0.001)


@needs_real_clips
@pytest.mark.slow
def test_real_clips_without_a_table_give_the_same_manifests(real_clips, tmp_path):
    for actor in REAL.glob("Actor_*"):
        (tmp_path / actor.name).symlink_to(actor)
    assert every_clip(recipe.prepare(tmp_path, tmp_path / "out", calm="neutral")) == real_clips


@needs_real_clips
@pytest.mark.skipif(not EMOBOX.exists(), reason=f"EmoBox's list is not here: {EMOBOX}")
def test_labels_and_lengths_are_emobox_s(real_clips):
    words = {"Disgust": "disgusted", "Calm": "neutral"}
    for line in EMOBOX.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        clip = real_clips[row["key"]]
        assert clip.emotion == words.get(row["emo"], row["emo"].lower())
        assert clip.duration == pytest.approx(row["length"], abs=0.001)
