"""TESS' preparation, on a generated folder and on the real clips if present."""

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechbrain_xser.data.manifest import read_manifest
from speechbrain_xser.errors import ManifestError
from tests.genuine import DATA

ROOT = Path(__file__).parents[2]
REAL = DATA / "tess"
needs_real_clips = pytest.mark.skipif(
    not REAL.is_dir(), reason="TESS' clips are not here: set XSER_DATA to the folder with tess/"
)


def load_recipe():
    spec = importlib.util.spec_from_file_location("tess_prepare", ROOT / "recipes" / "TESS" / "prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


recipe = load_recipe()


@pytest.fixture
def corpus(tmp_path) -> Path:
    """Both women say five words in two emotions, in a tenth of a second."""
    for speaker in ("OAF", "YAF"):
        for emotion in ("angry", "ps"):
            folder = tmp_path / "corpus" / f"{speaker}_{emotion}"
            folder.mkdir(parents=True)
            for word in ("back", "bar", "base", "bath", "bean"):
                soundfile.write(folder / f"{speaker}_{word}_{emotion}.wav", np.zeros(1600), 16000)
    return tmp_path / "corpus"


def part(paths: dict[str, str], name: str) -> list:
    return read_manifest(paths[name])


def test_each_fold_tests_one_woman_and_trains_on_the_other(corpus, tmp_path):
    paths = recipe.prepare(corpus, tmp_path / "out")
    for fold, tested, heard in (("1", "tess-OAF", "tess-YAF"), ("2", "tess-YAF", "tess-OAF")):
        assert {clip.speaker for clip in part(paths, f"fold_{fold}/test")} == {tested}
        for name in ("train", "valid"):
            assert {clip.speaker for clip in part(paths, f"fold_{fold}/{name}")} == {heard}


def test_validation_is_a_fifth_of_the_training_clips_and_none_of_them(corpus, tmp_path):
    paths = recipe.prepare(corpus, tmp_path / "out")
    train, valid = ({clip.id for clip in part(paths, f"fold_1/{name}")} for name in ("train", "valid"))
    assert (len(train), len(valid), len(train & valid)) == (8, 2, 0)


def test_ps_is_surprised_and_the_women_are_64_and_26_years_old():
    clips = [recipe.parse_name(f"{speaker}_back_ps") for speaker in ("OAF", "YAF")]
    assert [(clip.emotion, clip.gender, clip.age) for clip in clips] == [
        ("surprised", "female", "elderly"),
        ("surprised", "female", "youth adult"),
    ]


@pytest.mark.parametrize(
    ("stem", "id"),
    [("289testOAF_such_fear7", "tess-OAF_such_fear"), ("OA_bite_neutral", "tess-OAF_bite_neutral")],
)
def test_names_of_copies_and_the_typo_are_read_as_they_are_meant(stem, id):
    assert recipe.parse_name(stem).id == id


@pytest.mark.parametrize("stem", ["YA_bite_neutral", "OAF_back_calm", "OAF_angry", "notes"])
def test_a_foreign_file_name_is_refused_by_name(stem):
    with pytest.raises(ManifestError, match=stem):
        recipe.parse_name(stem)


@needs_real_clips
def test_real_clips_agree_with_an_independent_table_with_it_and_without(tmp_path):
    for speaker in ("OAF", "YAF"):
        (tmp_path / "names" / speaker).parent.mkdir(exist_ok=True)
        (tmp_path / "names" / speaker).symlink_to(REAL / speaker)
    named, listed = (recipe.prepare(folder, tmp_path / "out" / folder.name) for folder in (tmp_path / "names", REAL))
    assert all(part(named, name) == part(listed, name) for name in listed)
    found = {clip.id: clip for name in ("fold_1/test", "fold_2/test") for clip in part(named, name)}
    with open(REAL / "manifest.csv", encoding="utf-8", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert set(found) == set(rows) and len(rows) == 140
    for name, clip in found.items():
        stated = rows[name]
        assert (clip.emotion, clip.transcript) == (stated["emotion"], stated["transcript"])
        assert clip.duration == pytest.approx(float(stated["duration"]), abs=0.001)
