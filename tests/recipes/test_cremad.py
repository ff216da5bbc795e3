"""CREMA-D's preparation, on a generated folder and on the real clips if present."""

import csv
import importlib.util
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechbrain_xser.answer.parse import parse
from speechbrain_xser.data.manifest import read_manifest
from speechbrain_xser.errors import ManifestError, TrainingError
from tests.genuine import DATA

ROOT = Path(__file__).parents[2]
REAL = DATA / "cremad"
needs_real_clips = pytest.mark.skipif(
    not (REAL / "AudioWAV").is_dir(), reason="CREMA-D's clips are not here: set XSER_DATA to the folder with cremad/"
)


def load_recipe():
    spec = importlib.util.spec_from_file_location("cremad_prepare", ROOT / "recipes" / "CREMA-D" / "prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


recipe = load_recipe()


@pytest.fixture
def corpus(tmp_path) -> Path:
    """Every actor says one sentence happily and one neutrally, in a tenth of a second."""
    audio = tmp_path / "corpus" / "AudioWAV"
    audio.mkdir(parents=True)
    for actor in recipe.ACTORS:
        soundfile.write(audio / f"{actor}_IEO_HAP_HI.wav", np.zeros(1600), 16000)
        soundfile.write(audio / f"{actor}_WSI_NEU_XX.flac", np.zeros(3200), 16000)
    rows = ['"ActorID","Age","Sex","Race","Ethnicity"', '1001,51,"Male","X","Y"', '1002,21,"Female","X","Y"']
    (tmp_path / "corpus" / "VideoDemographics.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return tmp_path / "corpus"


def sides(paths: dict[str, str]) -> list:
    return [read_manifest(paths[split]) for split in ("train", "valid", "test")]


def utterances(paths: dict[str, str]) -> dict:
    return {utterance.id: utterance for side in sides(paths) for utterance in side}


def test_no_actor_is_on_two_sides(corpus, tmp_path):
    paths = recipe.prepare(corpus, tmp_path / "out")
    actors = [{utterance.speaker for utterance in side} for side in sides(paths)]
    assert [len(side) for side in actors] == [64, 9, 18]
    assert len(set.union(*actors)) == 91


def test_an_actor_keeps_the_side_when_others_are_missing(corpus, tmp_path):
    before = utterances(recipe.prepare(corpus, tmp_path / "out"))
    for actor in recipe.ACTORS[::2]:
        (corpus / "AudioWAV" / f"{actor}_IEO_HAP_HI.wav").unlink()
    after = utterances(recipe.prepare(corpus, tmp_path / "fewer"))
    assert len(after) == 182 - 46
    assert all(before[name].split == after[name].split for name in after)


def test_a_file_name_becomes_transcript_emotion_and_duration(corpus, tmp_path):
    found = utterances(recipe.prepare(corpus, tmp_path / "out"))["cremad-1001_IEO_HAP_HI"]
    assert (found.transcript, found.emotion, found.duration) == ("It's eleven o'clock", "happy", 0.1)
    assert found.wav == "{data_root}/AudioWAV/1001_IEO_HAP_HI.wav"


def test_age_and_gender_come_from_the_table_and_are_null_for_others(corpus, tmp_path):
    found = utterances(recipe.prepare(corpus, tmp_path / "out"))
    described = [found[f"cremad-{actor}_IEO_HAP_HI"] for actor in (1001, 1002, 1003)]
    assert [(u.gender, u.age) for u in described] == [
        ("male", "middle-aged"),
        ("female", "youth adult"),
        (None, None),
    ]
    assert {(u.pitch, u.volume, u.speed) for u in described} == {(None, None, None)}


def test_a_caption_says_what_the_record_says(corpus, tmp_path):
    for utterance in utterances(recipe.prepare(corpus, tmp_path / "out")).values():
        record = parse(utterance.caption)
        assert (record.transcript, record.emotion) == (utterance.transcript, utterance.emotion)
        assert utterance.transcript not in utterance.description


def test_preparing_again_changes_nothing(corpus, tmp_path):
    recipe.prepare(corpus, tmp_path / "out")
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    recipe.prepare(corpus, tmp_path / "out")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == stamps


def test_the_twelve_sentences_and_six_emotions_are_all_read():
    clips = [recipe.parse_name(f"1001_{s}_{e}_XX") for s in recipe.SENTENCES for e in recipe.EMOTIONS]
    assert len({clip.transcript for clip in clips}) == 12
    assert {clip.emotion for clip in clips} == {"angry", "disgusted", "fearful", "happy", "neutral", "sad"}


@pytest.mark.parametrize("stem", ["1092_IEO_HAP_HI", "1001_ABC_HAP_HI", "1001_IEO_JOY_HI", "1001_IEO_HAP_YY", "notes"])
def test_a_foreign_file_name_is_refused_by_name(stem):
    with pytest.raises(ManifestError, match=stem):
        recipe.parse_name(stem)


def test_one_broken_clip_in_a_hundred_is_skipped_and_more_stop(corpus, tmp_path, caplog):
    (corpus / "AudioWAV" / "1001_IEO_HAP_HI.wav").write_bytes(b"not audio")
    assert len(utterances(recipe.prepare(corpus, tmp_path / "out"))) == 181
    assert "1001_IEO_HAP_HI.wav" in caplog.text
    for actor in recipe.ACTORS[1:4]:
        (corpus / "AudioWAV" / f"{actor}_IEO_HAP_HI.wav").write_bytes(b"not audio")
    with pytest.raises(TrainingError, match="of 182 clips cannot be read"):
        recipe.prepare(corpus, tmp_path / "out")


def test_the_clip_that_is_digital_silence_is_left_out(corpus, tmp_path):
    soundfile.write(corpus / "AudioWAV" / "1076_MTI_SAD_XX.wav", np.zeros(1600), 16000)
    assert "cremad-1076_MTI_SAD_XX" not in utterances(recipe.prepare(corpus, tmp_path / "out"))


def test_a_missing_table_is_refused(corpus, tmp_path):
    with pytest.raises(ManifestError, match="absent.csv"):
        recipe.prepare(corpus, tmp_path / "out", demographics=tmp_path / "absent.csv")


@pytest.fixture(scope="module")
def real_manifests(tmp_path_factory) -> dict[str, str]:
    return recipe.prepare(REAL, tmp_path_factory.mktemp("real"))


@needs_real_clips
@pytest.mark.slow
def test_real_clips_agree_with_an_independent_table(real_manifests):
    found = utterances(real_manifests)
    with open(REAL / "manifest.csv", encoding="utf-8", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    silent = {f"cremad-{stem}" for stem in recipe.SILENT_CLIPS}
    assert set(found) == set(rows) - silent
    for name, utterance in found.items():
        row = rows[name]
        stated = (row["emotion"], row["transcript"], row["gender"])
        assert (utterance.emotion, utterance.transcript, utterance.gender) == stated
        assert utterance.duration == pytest.approx(float(row["duration"]), abs=0.001)


@needs_real_clips
def test_real_clips_are_split_into_the_stated_numbers_of_actors(real_manifests):
    assert [len({utterance.speaker for utterance in side}) for side in sides(real_manifests)] == [54, 8, 13]


@pytest.mark.slow
def test_the_annotator_fills_what_nobody_labelled(corpus, tmp_path):
    time = np.arange(16000) / 16000
    for path in (corpus / "AudioWAV").iterdir():
        soundfile.write(path, 0.1 * np.sin(2 * np.pi * (100 + zlib.crc32(path.stem.encode()) % 200) * time), 16000)
    found = utterances(recipe.prepare(corpus, tmp_path / "out", annotate=True))
    clip = found["cremad-1001_IEO_HAP_HI"]
    assert (clip.gender, clip.age, clip.emotion) == ("male", "middle-aged", "happy")
    assert clip.pitch and clip.volume and clip.speed and clip.intonation
    assert parse(clip.caption).descriptors.pitch == clip.pitch
