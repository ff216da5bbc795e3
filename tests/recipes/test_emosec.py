"""EMOSEC's preparation, on a small generated folder and on the genuine lists if present."""

import importlib.util
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechbrain_xser.data.manifest import read_manifest
from speechbrain_xser.data.pipeline import dataset
from speechbrain_xser.errors import ManifestError
from tests.genuine import DATA

ROOT = Path(__file__).parents[2]
LISTS = DATA / "annotations" / "secap"
needs_lists = pytest.mark.skipif(
    not LISTS.is_dir(), reason="SECap's lists are not here: set XSER_DATA to the folder with annotations/secap"
)
CAPTIONS = {"tx_emotion_001": "悲伤逆流成河", "tx_emulate_00_1": " 激动，  高兴。", "tx_xiao_01": "温柔"}


def load_recipe():
    spec = importlib.util.spec_from_file_location("emosec_prepare", ROOT / "recipes" / "EMOSEC" / "prepare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


recipe = load_recipe()


@pytest.fixture
def corpus(tmp_path) -> Path:
    """One clip of each family, in the layout of SECap's repository."""
    folder = tmp_path / "SECap" / "dataset"
    (folder / "wav").mkdir(parents=True)
    write_wavs(folder / "wav", CAPTIONS)
    lines = ["tx_emotion_001 一年又一年,一场梦。 ", "tx_emulate_00_1\t我终于要 去约会了嗯。", "tx_xiao_01 我都烦。 "]
    (folder / "text.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "wav.scp").write_text("".join(f"{name} dataset/wav/{name}.wav\n" for name in CAPTIONS), encoding="utf-8")
    (folder / "fid2captions.json").write_text(json.dumps(CAPTIONS), encoding="utf-8")
    return tmp_path / "SECap"


def write_wavs(folder: Path, names) -> None:
    """A tenth of a second each, at the release's 24 kHz."""
    for name in names:
        soundfile.write(folder / f"{name}.wav", np.zeros(2400), 24000)


def test_a_space_and_a_tab_both_end_the_name(corpus, tmp_path):
    clips = read_manifest(recipe.prepare(corpus, tmp_path / "out")["test"])
    assert [clip.transcript for clip in clips] == ["一年又一年,一场梦。", "我终于要 去约会了嗯。", "我都烦。"]


def test_the_human_caption_is_the_description_and_no_paragraph_is_made_up(corpus, tmp_path):
    clips = read_manifest(recipe.prepare(corpus, tmp_path / "out")["test"])
    assert [clip.description for clip in clips] == ["悲伤逆流成河", "激动， 高兴。", "温柔"]
    assert {(clip.caption, clip.emotion, clip.gender, clip.speaker) for clip in clips} == {(None,) * 4}


@pytest.mark.parametrize("below", [".", "dataset"])
def test_the_clone_and_its_dataset_folder_are_both_read(corpus, tmp_path, below):
    paths = recipe.prepare(corpus / below, tmp_path / "out")
    assert [len(item["wav"]) for item in dataset(paths["test"], corpus / below)] == [1600] * 3


def test_there_is_a_test_set_only(corpus, tmp_path):
    assert list(recipe.prepare(corpus, tmp_path / "out")) == ["test"]


def test_preparing_again_changes_nothing(corpus, tmp_path):
    recipe.prepare(corpus, tmp_path / "out")
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    recipe.prepare(corpus, tmp_path / "out")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == stamps


def test_a_clip_without_a_caption_is_refused_by_name(corpus, tmp_path):
    (corpus / "dataset" / "fid2captions.json").write_text(json.dumps({"tx_xiao_01": "温柔"}), encoding="utf-8")
    with pytest.raises(ManifestError, match="fid2captions.json: 2 clips of the other lists .*tx_emotion_001"):
        recipe.prepare(corpus, tmp_path / "out")


def test_a_missing_wav_is_named(corpus, tmp_path, caplog):
    (corpus / "dataset" / "wav" / "tx_xiao_01.wav").unlink()
    assert len(read_manifest(recipe.prepare(corpus, tmp_path / "out")["test"])) == 2
    assert "tx_xiao_01.wav: no such file" in caplog.text


@pytest.mark.parametrize("line", ["tx_xiao_01", "tx_xiao_01 我 \ntx_xiao_01 你"])
def test_a_line_without_text_and_a_repeated_name_are_refused(corpus, tmp_path, line):
    (corpus / "dataset" / "text.txt").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(ManifestError, match="text.txt: 'tx_xiao_01"):
        recipe.prepare(corpus, tmp_path / "out")


@pytest.fixture(scope="module")
def genuine(tmp_path_factory) -> list:
    folder = tmp_path_factory.mktemp("genuine")
    (folder / "dataset" / "wav").mkdir(parents=True)
    for name in recipe.LISTS:
        shutil.copy(LISTS / name, folder / "dataset")
    captions = json.loads((LISTS / "fid2captions.json").read_text(encoding="utf-8"))
    write_wavs(folder / "dataset" / "wav", captions)
    return read_manifest(recipe.prepare(folder, folder / "out")["test"])


@needs_lists
@pytest.mark.slow
def test_all_600_clips_come_out_by_family(genuine):
    assert Counter(clip.id.split("_")[1] for clip in genuine) == {"emotion": 226, "emulate": 251, "xiao": 123}


@needs_lists
def test_every_genuine_clip_has_a_transcript_and_a_caption_without_loose_ends(genuine):
    for clip in genuine:
        assert clip.transcript and clip.transcript == clip.transcript.strip()
        assert clip.description and clip.description == clip.description.strip()
        assert not clip.transcript.startswith("tx_") and "\t" not in clip.transcript
