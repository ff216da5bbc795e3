"""EmoDB's preparation, on names of the release and on the real clips if present."""

import csv
import importlib.util
import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechbrain_xser.data.manifest import read_manifest
from speechbrain_xser.errors import ManifestError
from tests.genuine import DATA

ROOT = Path(__file__).parents[2]
REAL, LISTS = DATA / "emodb", DATA / "annotations"
EMOBOX = LISTS / "emobox" / "emodb" / "fold_1" / "emodb_test_fold_1.jsonl"
needs_real_clips = pytest.mark.skipif(
    not REAL.is_dir(), reason="EmoDB's clips are not here: set XSER_DATA to the folder with emodb/"
)
needs_lists = pytest.mark.skipif(
    not EMOBOX.exists(), reason="EmoDB's lists are not here: set XSER_DATA to the folder with annotations/"
)
FOLDS = range(1, 6)


def load_recipe():
    spec = importlib.util.spec_from_file_location("emodb_prepare", ROOT / "recipes" / "EmoDB" / "prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


recipe = load_recipe()


@pytest.fixture
def corpus(tmp_path) -> Path:
    """Every speaker says one sentence happily and one wearily, in a tenth of a second."""
    (tmp_path / "corpus" / "wav").mkdir(parents=True)
    for speaker in recipe.SPEAKERS:
        for name in ("a01Fa", "b10Lb"):
            soundfile.write(tmp_path / "corpus" / "wav" / f"{speaker}{name}.wav", np.zeros(1600), 16000)
    return tmp_path / "corpus"


def every_clip(paths: dict[str, str]) -> dict:
    """Every clip once: it is in one fold's test part."""
    return {clip.id: clip for fold in FOLDS for clip in read_manifest(paths[f"fold_{fold}/test"])}


def emobox() -> list[dict]:
    return [json.loads(line) for line in EMOBOX.read_text(encoding="utf-8").splitlines()]


def test_a_fold_validates_and_tests_on_a_woman_and_a_man_each(corpus, tmp_path):
    paths = recipe.prepare(corpus, tmp_path / "out")
    for fold in FOLDS:
        parts = [read_manifest(paths[f"fold_{fold}/{part}"]) for part in ("train", "valid", "test")]
        genders = [sorted({clip.speaker: clip.gender for clip in part}.values()) for part in parts]
        assert genders == [["female"] * 3 + ["male"] * 3, ["female", "male"], ["female", "male"]]
        assert len({clip.speaker for part in parts for clip in part}) == 10
    assert len({clip.speaker for clip in every_clip(paths).values()}) == 10


def test_boredom_is_dropped_by_name_and_counted(corpus, tmp_path):
    assert {clip.emotion for clip in every_clip(recipe.prepare(corpus, tmp_path / "out")).values()} == {"happy"}
    dropped = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))["dropped"]
    assert {reason: row["clips"] for reason, row in dropped.items()} == {
        "emotion 'bored' is outside the vocabulary": 10
    }


@pytest.mark.parametrize("stem", ["04a01Fa", "03a03Fa", "03a01Ha", "03a01F", "notes"])
def test_a_foreign_file_name_is_refused_by_name(stem):
    with pytest.raises(ManifestError, match=stem):
        recipe.parse_name(stem)


@needs_lists
def test_labels_are_emobox_s():
    words = {"anger": "angry", "boredem": "bored", "disgust": "disgusted", "fear": "fearful"}
    rows = emobox()
    assert len(rows) == 107
    for row in rows:
        assert recipe.parse_name(Path(row["wav"]).stem).emotion == words.get(row["emo"], row["emo"])


@needs_lists
def test_every_recording_of_the_listening_test_is_read():
    text = (LISTS / "emodb" / "erkennung.txt").read_text(encoding="latin-1")
    names = re.findall(r"(\w{7})\.wav", text)
    assert len(names) > 700
    assert Counter(recipe.parse_name(name).transcript for name in names).keys() == set(recipe.SENTENCES.values())


@pytest.fixture(scope="module")
def real_clips(tmp_path_factory) -> dict:
    return every_clip(recipe.prepare(REAL, tmp_path_factory.mktemp("real")))


@needs_real_clips
def test_real_clips_agree_with_an_independent_table(real_clips):
    with open(REAL / "manifest.csv", encoding="utf-8", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert set(real_clips) == set(rows) and len(rows) == 339
    for name, clip in real_clips.items():
        row = rows[name]
        stated = (row["emotion"], row["transcript"], row["gender"], row["speaker"])
        assert (clip.emotion, clip.transcript, clip.gender, clip.speaker) == stated
        assert recipe.SPEAKERS[clip.speaker[-2:]] == (row["gender"], int(row["age"]))
        assert clip.duration == pytest.approx(float(row["duration"]), abs=0.001)


@needs_real_clips
def test_real_clips_without_a_table_give_the_same_manifests(real_clips, tmp_path):
    (tmp_path / "wav").symlink_to(REAL / "wav")
    assert every_clip(recipe.prepare(tmp_path, tmp_path / "out")) == real_clips


@needs_real_clips
@needs_lists
def test_lengths_are_emobox_s(real_clips):
    lengths = {row["key"]: row["length"] for row in emobox()}
    both = set(lengths) & set(real_clips)
    assert len(both) == 70  # of angry, happy, sad and neutral
    for key in both:
        assert real_clips[key].duration == pytest.approx(lengths[key], abs=0.001)
