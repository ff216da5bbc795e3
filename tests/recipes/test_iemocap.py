"""IEMOCAP's preparation, on the release's folder tree built from the ids and labels of two independent lists."""

import importlib.util
import json
import os
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechbrain_xser.data.manifest import read_manifest
from speechbrain_xser.errors import ManifestError
from tests.genuine import DATA

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LISTS = DATA / "annotations"
MERGED = {"neu": "neutral", "hap": "happy", "exc": "happy", "ang": "angry", "sad": "sad"}
TEST_SIZES = [1085, 1023, 1151, 1031, 1241]

if not (LISTS / "emobox" / "iemocap").is_dir():
    pytest.skip("needs EmoBox's lists: set XSER_DATA to a folder with annotations/", allow_module_level=True)


def load_recipe():
    spec = importlib.util.spec_from_file_location("iemocap_prepare", ROOT / "recipes" / "IEMOCAP" / "prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


recipe = load_recipe()


def emobox(path):
    rows = map(json.loads, (LISTS / "emobox" / "iemocap" / path).read_text(encoding="utf-8").splitlines())
    return {row["key"]: row["emo"] for row in rows}


def turn_lines(turn, code):
    return (
        f"[6.2901 - 8.2357]\t{turn}\t{code}\t[2.5000, 3.0000, 2.5000]\nC-E2:\tNeutral;\t()\n"
        "C-F1:\tNeutral; Other;\t(mildly aggravated, but polite)\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"
    )


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Path:
    """The four classes' 5,531 turns, and in every dialog one of each label that is left out."""
    root = tmp_path_factory.mktemp("release")
    soundfile.write(root / "a.wav", np.zeros(1600), 16000)
    dialogs = defaultdict(list)
    for key, code in emobox("iemocap.jsonl").items():
        dialogs[key.removeprefix("iemocap-").rpartition("_")[0]].append((key.removeprefix("iemocap-"), code))
    for dialog, turns in dialogs.items():
        session = root / f"Session{dialog[4]}"
        folders = [session / "dialog" / "EmoEvaluation", session / "dialog" / "transcriptions"]
        folders += [session / "sentences" / "wav" / dialog, folders[0] / "Categorical"]
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        evaluations, transcriptions, wavs, _ = folders
        others = [(f"{dialog}_{'F' if code < 'm' else 'M'}9{n:02}", code) for n, code in enumerate(recipe.OTHERS)]
        header = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
        (evaluations / f"{dialog}.txt").write_text(header + "".join(turn_lines(*turn) for turn in turns + others))
        (evaluations / f"._{dialog}.txt").write_bytes(b"\x00\x05\x16\x07")
        (evaluations / "Categorical" / f"{dialog}_e2_cat.txt").write_text(turn_lines(f"{dialog}_F999", "ang"))
        said = "".join(f"{turn} [006.2901-008.2357]: Said in {turn}.\n" for turn, _ in turns)
        (transcriptions / f"{dialog}.txt").write_text("M: ...\n" + said + f"{dialog}_F998 [001.0-002.0]: No wav.\n")
        for turn, _ in turns:
            os.link(root / "a.wav", wavs / f"{turn}.wav")
    return root


@pytest.fixture(scope="module")
def folds(release, tmp_path_factory):
    folder = tmp_path_factory.mktemp("iemocap")
    paths = recipe.prepare(release, folder)
    return folder, {name: read_manifest(path) for name, path in paths.items()}


def test_there_are_5531_clips_of_four_classes(folds):
    summary = json.loads((folds[0] / "summary.json").read_text())["manifests"]["all"]
    assert summary["clips"] == 5531
    assert summary["emotions"] == {"neutral": 1708, "happy": 1636, "sad": 1084, "angry": 1103}


def test_every_fold_tests_its_session(folds):
    assert [len(folds[1][f"fold_{fold}/test"]) for fold in range(1, 6)] == TEST_SIZES
    for fold in "12345":
        assert {clip.speaker for clip in folds[1][f"fold_{fold}/test"]} == {
            f"iemocap-Ses0{fold}F",
            f"iemocap-Ses0{fold}M",
        }


@pytest.mark.parametrize("fold", "12345")
def test_a_fold_is_emobox_s_fold(folds, fold):
    listed = emobox(f"fold_{fold}/iemocap_test_fold_{fold}.jsonl")
    found = {clip.id: clip.emotion for clip in folds[1][f"fold_{fold}/test"]}
    assert found == {key: MERGED[code] for key, code in listed.items()}


@pytest.mark.parametrize("fold", "15")
def test_a_fold_is_s3prl_s_fold(folds, fold):
    listed = json.loads((LISTS / "iemocap_s3prl" / f"Session{fold}_test_meta_data.json").read_text())["meta_data"]
    found = {clip.id: clip.emotion for clip in folds[1][f"fold_{fold}/test"]}
    assert found == {f"iemocap-{Path(row['path']).stem}": MERGED[row["label"]] for row in listed}


@pytest.mark.parametrize("valid_by", ["speaker", "random"])
def test_the_parts_of_a_fold_never_overlap(release, tmp_path, valid_by):
    paths = recipe.prepare(release, tmp_path, valid_by)
    for fold, size in zip("12345", TEST_SIZES, strict=True):
        train, valid, test = (read_manifest(paths[f"fold_{fold}/{part}"]) for part in ("train", "valid", "test"))
        ids = Counter(clip.id for clip in train + valid + test)
        assert set(ids.values()) == {1} and len(ids) == 5531
        speakers = [{clip.speaker for clip in part} for part in (train, valid, test)]
        assert not speakers[2] & (speakers[0] | speakers[1])
        if valid_by == "random":
            assert len(valid) == round(0.2 * (5531 - size))
        else:
            assert (len(speakers[0]), len(speakers[1]), speakers[0] & speakers[1]) == (6, 2, set())


def test_the_speaker_is_the_letter_of_the_turn(folds):
    clips = {clip.id: clip for part in folds[1].values() for clip in part}
    clip = next(clip for clip in clips.values() if clip.id.startswith("iemocap-Ses01F") and "_M0" in clip.id)
    assert (clip.speaker, clip.gender) == ("iemocap-Ses01M", "male")
    assert clip.transcript == f"Said in {clip.id.removeprefix('iemocap-')}."


def test_what_is_left_out_is_counted(folds):
    dropped = json.loads((folds[0] / "summary.json").read_text())["dropped"]
    dialogs = len({clip.id.rpartition("_")[0] for part in folds[1].values() for clip in part})
    assert {reason: row["clips"] for reason, row in dropped.items()} == {
        "of another emotion": 5 * dialogs,
        "without a majority": dialogs,
    }


def test_raters_are_kept_beside(folds):
    rating = json.loads((folds[0] / "ratings.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert rating["votes"] == {"C-E2": ["Neutral"], "C-F1": ["Neutral", "Other"]}
    assert (rating["valence"], rating["activation"], rating["dominance"]) == (2.5, 3.0, 2.5)


def test_a_copy_without_a_session_is_refused_by_name(release, tmp_path):
    (tmp_path / "part").mkdir()
    for session in "1235":
        os.symlink(release / f"Session{session}", tmp_path / "part" / f"Session{session}")
    with pytest.raises(ManifestError, match="lacks Session4"):
        recipe.prepare(tmp_path / "part", tmp_path / "out")
