"""MELD's preparation, on a small generated release and on the genuine tables if present."""

import csv
import importlib.util
import json
import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from speechbrain_xser.data import extraction
from speechbrain_xser.data.manifest import read_manifest
from speechbrain_xser.data.pipeline import dataset
from speechbrain_xser.errors import ManifestError, TrainingError
from tests.data.media import write_media, write_silent_film
from tests.genuine import DATA

ROOT = Path(__file__).parents[2]
TABLES, EMOBOX = DATA / "annotations" / "meld", DATA / "annotations" / "emobox" / "meld" / "fold_1"
needs_tables = pytest.mark.skipif(
    not (TABLES.is_dir() and EMOBOX.is_dir()),
    reason="MELD's tables are not here: set XSER_DATA to the folder with annotations/meld and annotations/emobox",
)
needs_speech = pytest.mark.skipif(
    not (DATA / "ravdess").is_dir(), reason="RAVDESS is not here: set XSER_DATA to the folder with ravdess/"
)
HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"
FOLDERS = {"train": "train/train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
TEXTS = {
    "train": "Oh my God, he\u2019s lost it.",
    "dev": "The company\u00c2\x92s \u2014 well\u2026",
    "test": '""Hey!"" he said',
}
PUBLISHED = {"neutral": 1256, "happy": 402, "angry": 345, "surprised": 281, "sad": 208, "disgusted": 68, "fearful": 50}
DAMAGES = {"empty": lambda path: path.write_bytes(b""), "missing": Path.unlink, "without sound": write_silent_film}


def load_recipe():
    spec = importlib.util.spec_from_file_location("meld_prepare", ROOT / "recipes" / "MELD" / "prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


recipe = load_recipe()


def tone(hertz: float, seconds: float = 0.5) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(int(48000 * seconds)) / 48000)


def strongest_hertz(path: str) -> int:
    """Main frequency of a quarter second inside a FLAC at 16 kHz, to 4 Hz."""
    return 4 * int(np.abs(np.fft.rfft(soundfile.read(path)[0][2000:6000])).argmax())


@pytest.fixture(autouse=True, scope="module")
def one_process():
    """Decodes in this process: for few clips, starting others would take longer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extraction, "in_parallel", lambda work, items, *_: map(work, items))
        yield


@pytest.fixture
def corpus(tmp_path) -> Path:
    """Every split has two clips of the same names: one with 300 Hz in the centre of six channels, one in stereo."""
    folder = tmp_path / "MELD.Raw"
    six = np.stack([tone(hertz) for hertz in (1000, 1100, 300, 80, 1200, 1300)], axis=1)
    for split, videos in FOLDERS.items():
        (folder / videos).mkdir(parents=True)
        rows = [f'1,"{TEXTS[split]}",Ross,joy,positive,0,0,8,21,"00:16:16,059","00:16:21,731"']
        rows += ['2,What?,All,fear,negative,0,1,8,21,"0:12:32,632","0:12:32,632"']
        home = folder / "train" if split == "train" else folder
        (home / f"{split}_sent_emo.csv").write_bytes("\r\n".join([HEADER, *rows, ""]).encode())
        write_media(folder / videos / "dia0_utt0.mp4", six, "5.1")
        write_media(folder / videos / "dia0_utt1.mp4", np.stack([tone(500), tone(500)], axis=1), "stereo")
    (folder / FOLDERS["test"] / "._dia0_utt0.mp4").write_bytes(b"Mac OS X")
    (folder / FOLDERS["test"] / "final_videos_testdia0_utt0.mp4").write_bytes(b"")
    return folder


def utterances(paths: dict[str, str]) -> dict:
    return {clip.id: clip for path in paths.values() for clip in read_manifest(path)}


def summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text(encoding="utf-8"))


def test_equal_names_of_three_splits_are_six_utterances(corpus, tmp_path):
    found = utterances(recipe.prepare(corpus, tmp_path / "out"))
    assert list(found) == [f"meld-dia0_utt{n}-{split}" for split in ("train", "dev", "test") for n in (0, 1)]
    assert [clip.split for clip in found.values()] == ["train", "train", "valid", "valid", "test", "test"]


def test_the_centre_of_six_channels_and_the_mean_of_two_are_taken(corpus, tmp_path):
    found = utterances(recipe.prepare(corpus, tmp_path / "out"))
    assert [strongest_hertz(clip.wav) for clip in found.values()] == [300, 500] * 3
    assert all(soundfile.info(clip.wav).samplerate == 16000 for clip in found.values())


def test_the_manifests_are_read_with_the_release_as_data_folder_and_with_none(corpus, tmp_path):
    paths = recipe.prepare(corpus, tmp_path / "out")
    for folder in (corpus, None):
        assert [len(item["wav"]) > 7000 for item in dataset(paths["train"], folder)] == [True, True]


def test_quotes_mojibake_dashes_and_ellipses_are_normalised(corpus, tmp_path):
    found = utterances(recipe.prepare(corpus, tmp_path / "out"))
    texts = [found[f"meld-dia0_utt0-{split}"].transcript for split in ("train", "dev", "test")]
    assert texts == ["Oh my God, he's lost it.", "The company's - well...", '"Hey!" he said']


def test_gender_is_known_of_the_main_characters_and_several_people_are_no_speaker(corpus, tmp_path):
    found = utterances(recipe.prepare(corpus, tmp_path / "out"))
    ross, everybody = found["meld-dia0_utt0-test"], found["meld-dia0_utt1-test"]
    assert (ross.speaker, ross.gender, ross.emotion) == ("meld-Ross", "male", "happy")
    assert (everybody.speaker, everybody.gender, everybody.emotion) == (None, None, "fearful")


def test_a_clip_that_is_too_long_is_cut_to_its_beginning_and_counted(corpus, tmp_path):
    write_media(corpus / FOLDERS["test"] / "dia0_utt1.mp4", tone(500, 3.0)[:, None], "mono")
    paths = recipe.prepare(corpus, tmp_path / "out", max_seconds=2.0)
    clip = utterances(paths)["meld-dia0_utt1-test"]
    assert (clip.start, clip.stop, clip.duration) == (0.0, 2.0, 2.0)
    assert summary(tmp_path / "out")["cut"]["clips"] == 1
    assert [len(item["wav"]) for item in dataset(paths["test"], max_seconds=2.0)][1] == 32000


def test_a_changed_limit_decodes_nothing_again(corpus, tmp_path):
    recipe.prepare(corpus, tmp_path / "out", max_seconds=0.3)
    assert summary(tmp_path / "out")["extraction"]["clips"] == 6
    assert summary(tmp_path / "out")["cut"]["clips"] == 6
    recipe.prepare(corpus, tmp_path / "out")
    assert summary(tmp_path / "out")["extraction"]["clips"] == 0
    assert summary(tmp_path / "out")["cut"]["clips"] == 0


def test_preparing_again_changes_nothing(corpus, tmp_path):
    recipe.prepare(corpus, tmp_path / "out")
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    recipe.prepare(corpus, tmp_path / "out")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == stamps


def test_a_killed_run_resumes(corpus, tmp_path, monkeypatch):
    extract, done = extraction.extract_voice, []

    def killed(video, flac):
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(flac)
        return extract(video, flac)

    monkeypatch.setattr(extraction, "extract_voice", killed)
    with pytest.raises(KeyboardInterrupt):
        recipe.prepare(corpus, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.jsonl"))
    monkeypatch.setattr(extraction, "extract_voice", extract)
    assert len(utterances(recipe.prepare(corpus, tmp_path / "out"))) == 6
    assert summary(tmp_path / "out")["extraction"]["clips"] == 2


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_clip_that_cannot_be_read_is_a_fault_that_names_its_file(corpus, tmp_path, caplog, damage):
    DAMAGES[damage](corpus / FOLDERS["dev"] / "dia0_utt1.mp4")
    assert len(utterances(recipe.prepare(corpus, tmp_path / "out"))) == 5
    assert "dev_splits_complete/dia0_utt1.mp4" in caplog.text
    assert summary(tmp_path / "out")["dropped"]["cannot be read"]["clips"] == 1


def test_two_unreadable_clips_stop_a_small_corpus(corpus, tmp_path):
    for split in ("train", "dev"):
        (corpus / FOLDERS[split] / "dia0_utt1.mp4").write_bytes(b"")
    with pytest.raises(TrainingError, match="2 of 6 clips cannot be read"):
        recipe.prepare(corpus, tmp_path / "out")


def test_another_folder_is_refused_with_what_is_missing(tmp_path):
    with pytest.raises(ManifestError, match="No train_splits in"):
        recipe.prepare(tmp_path, tmp_path / "out")


@needs_speech
def test_real_speech_in_the_centre_comes_out_clean(corpus, tmp_path):
    path = min((DATA / "ravdess").rglob("*.flac"))
    speech = soundfile.read(path)[0][16000:40000]
    noise = np.random.default_rng(0).standard_normal((72000, 6))
    noise[:, 2] = resample_poly(speech, 3, 1) / np.abs(speech).max()
    write_media(corpus / FOLDERS["train"] / "dia0_utt0.mp4", 0.3 * noise, "5.1")
    found = utterances(recipe.prepare(corpus, tmp_path / "out"))["meld-dia0_utt0-train"]
    heard = soundfile.read(found.wav)[0][: len(speech)]
    assert np.corrcoef(heard, speech)[0, 1] > 0.97


@pytest.fixture(scope="module")
def genuine(tmp_path_factory) -> tuple[dict, Path]:
    """The genuine tables; every video is there by name, and its speech is an empty stand-in of a second."""
    folder = tmp_path_factory.mktemp("genuine")
    tiny = write_media(folder / "tiny.mp4", tone(300)[:, None], "mono")
    for split, videos in FOLDERS.items():
        table = TABLES / f"{split}_sent_emo.csv"
        (folder / "MELD.Raw" / videos).mkdir(parents=True)
        shutil.copy(table, folder / "MELD.Raw")
        for row in csv.DictReader(open(table, encoding="utf-8", newline="")):
            os.link(tiny, folder / "MELD.Raw" / videos / f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}.mp4")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extraction, "extract_voice", lambda video, flac: extraction.Extracted(1.0, 0.0))
        paths = recipe.prepare(folder / "MELD.Raw", folder / "out")
    return utterances(paths), folder / "out"


@needs_tables
@pytest.mark.slow
def test_the_release_gives_the_official_counts(genuine):
    manifests = summary(genuine[1])["manifests"]
    assert [manifests[split]["clips"] for split in ("train", "valid", "test")] == [9988, 1108, 2610]
    assert summary(genuine[1])["dropped"]["broken in the release"]["clips"] == 2


@needs_tables
def test_ids_and_labels_are_those_of_emobox(genuine):
    names = {split: EMOBOX / f"meld_{split}_fold_1.jsonl" for split in ("train", "valid", "test")}
    theirs = {row["key"]: (row["emo"], split) for split, path in names.items() for row in map(json.loads, open(path))}
    words = {"happy": "joy", "sad": "sadness", "angry": "anger", "surprised": "surprise", "fearful": "fear"}
    words |= {"disgusted": "disgust", "neutral": "neutral"}
    assert {id: (words[clip.emotion], clip.split) for id, clip in genuine[0].items()} == theirs


@needs_tables
def test_the_test_set_has_the_published_classes(genuine):
    assert Counter(clip.emotion for clip in genuine[0].values() if clip.split == "test") == PUBLISHED


@needs_tables
def test_no_transcript_keeps_a_typographic_quote(genuine):
    letters = {sign for clip in genuine[0].values() for sign in clip.transcript}
    assert {sign for sign in letters if not sign.isascii()} == {"\u00e9", "\u00f3"}


def test_the_annotator_hears_the_extracted_speech(corpus, tmp_path):
    found = utterances(recipe.prepare(corpus, tmp_path / "out", annotate=True))
    assert {clip.volume for clip in found.values()} <= {"low", "normal", "high"}
    assert summary(tmp_path / "out")["extraction"]["clips"] == 6
