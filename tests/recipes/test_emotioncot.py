"""Joining EmotionCoT's labels to manifests, with the genuine ids of IEMOCAP and MELD if present."""

import csv
import json
from pathlib import Path

import pytest
from EmotionCoT.prepare import prepare

from speechbrain_xser.answer.parse import parse
from speechbrain_xser.data.manifest import Utterance, read_manifest, write_manifest
from speechbrain_xser.data.paragraphs import with_paragraphs
from speechbrain_xser.errors import ManifestError
from tests.genuine import DATA

EMOBOX, MELD = DATA / "annotations" / "emobox", DATA / "annotations" / "meld"
needs_lists = pytest.mark.skipif(
    not (EMOBOX.is_dir() and MELD.is_dir()), reason="EmoBox's and MELD's lists are not here: set XSER_DATA"
)
LABELS = {"pitch_level": "high", "energy_level": "low", "speed_level": "slow", "intonation": "expressive"}


def write_labels(folder: Path, paths, **labels) -> Path:
    path = folder / "emotioncot.jsonl"
    path.write_text("\n".join(json.dumps({"audio_path": wav, **LABELS, **labels}) for wav in paths))
    return path


def write(folder: Path, **rows) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, utterances in rows.items():
        (folder / name).parent.mkdir(exist_ok=True)
        write_manifest(folder / f"{name}.jsonl", utterances)
    return folder


def account(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())["emotioncot"]


CLIP = with_paragraphs(
    Utterance(
        "a", "{data_root}/a.wav", transcript="Excuse me", emotion="sad", gender="male", pitch="low", volume="high"
    )
)


def test_what_was_measured_is_replaced_and_what_is_known_is_kept(tmp_path):
    manifests = write(tmp_path / "in", train=[CLIP])
    labels = write_labels(
        tmp_path, ["/x/a.wav"], gender="Female", age_level="Elderly", stressed_words=["excuse", "sir"]
    )
    [row] = read_manifest(prepare(labels, manifests, tmp_path / "out")["train"])
    assert (row.pitch, row.volume, row.speed, row.intonation) == ("high", "low", "slow", "lively")
    assert (row.gender, row.age, row.emotion, row.emphasis) == ("male", "elderly", "sad", ("excuse",))
    assert parse(row.caption) == row.record()


def test_a_human_s_paragraph_stays(tmp_path):
    manifests = write(tmp_path / "in", train=[CLIP._replace(caption="A tired voice.")])
    [row] = read_manifest(prepare(write_labels(tmp_path, ["a.wav"]), manifests, tmp_path / "out")["train"])
    assert row.caption == "A tired voice." and row.volume == "low"


def test_folds_keep_their_clips_and_a_clip_counts_once(tmp_path):
    other = CLIP._replace(id="b", wav="{data_root}/b.wav")
    rows = {"fold_1/train": [CLIP], "fold_1/test": [other], "fold_2/train": [other], "fold_2/test": [CLIP]}
    paths = prepare(write_labels(tmp_path, ["a.wav"]), write(tmp_path / "in", **rows), tmp_path / "out")
    found = {name: [(row.id, row.volume, row.split) for row in read_manifest(path)] for name, path in paths.items()}
    assert found["fold_1/train"] == [("a", "low", "train")] and found["fold_2/test"] == [("a", "low", "test")]
    assert found["fold_2/train"] == [("b", "high", "train")]
    assert account(tmp_path / "out")["joined"] == 1


def test_files_that_are_not_manifests_are_left_alone(tmp_path):
    manifests = write(tmp_path / "in", train=[CLIP])
    (manifests / "measures.sqlite").write_text('{"key": "x"}')
    assert list(prepare(write_labels(tmp_path, ["a.wav"]), manifests, tmp_path / "out")) == ["train"]


def test_another_corpus_s_labels_are_refused(tmp_path):
    with pytest.raises(ManifestError, match="No label of .*emotioncot.jsonl belongs to a clip"):
        prepare(write_labels(tmp_path, ["z.wav"]), write(tmp_path / "in", train=[CLIP]), tmp_path / "out")


def test_a_folder_without_manifests_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="No manifest in"):
        prepare(write_labels(tmp_path, ["z.wav"]), tmp_path, tmp_path / "out")


@needs_lists
@pytest.mark.slow
def test_all_of_iemocap_s_clips_find_their_label(tmp_path):
    rows = []
    for part in ("train", "test"):
        for line in (EMOBOX / "iemocap" / "fold_1" / f"iemocap_{part}_fold_1.jsonl").read_text().splitlines():
            entry = json.loads(line)
            rows.append(Utterance(entry["key"], entry["wav"].replace("downloads/iemocap", "{data_root}")))
    labels = write_labels(tmp_path, [f"/IEMOCAP/{Path(row.wav).name}" for row in rows] + ["/EARS/p001/x.wav"])
    prepare(labels, write(tmp_path / "in", train=rows), tmp_path / "out")
    assert len(rows) == 5531
    assert account(tmp_path / "out") == {"joined": 5531, "ambiguous": 0, "labels_without_a_clip": 1, "unread": {}}


@needs_lists
@pytest.mark.slow
def test_all_of_meld_s_clips_find_their_label_by_split_and_none_without_it(tmp_path):
    rows, folders = [], {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
    for split in folders:
        with open(MELD / f"{split}_sent_emo.csv", encoding="utf-8", newline="") as file:
            names = [f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}" for row in csv.DictReader(file)]
        rows += [(split, Utterance(f"meld-{name}-{split}", f"/out/audio/{split}/{name}.flac")) for name in names]
    manifests = write(tmp_path / "in", train=[row for _, row in rows])
    told = [f"/MELD/{folders[split]}/{Path(row.wav).stem}.wav" for split, row in rows]
    prepare(write_labels(tmp_path, told), manifests, tmp_path / "out")
    assert account(tmp_path / "out")["joined"] == len(rows) == 13708
    untold = write_labels(tmp_path, sorted({f"/MELD/{Path(row.wav).stem}.wav" for _, row in rows}))
    prepare(untold, manifests, tmp_path / "untold")
    names = [Path(row.wav).stem for _, row in rows]
    assert account(tmp_path / "untold")["joined"] == sum(names.count(name) == 1 for name in set(names))
