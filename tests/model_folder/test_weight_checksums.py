"""A model folder's weights are those that were written, or the folder is refused."""

import json
import shutil

import pytest

from speechbrain_xser import packaged_model
from speechbrain_xser.errors import CheckpointError
from speechbrain_xser.inference import ExplainableEmotionRecognizer
from speechbrain_xser.model_folder.load import load_lora, load_weights, read_model_folder
from speechbrain_xser.model_folder.locate import DOMAIN, METADATA, RELIABILITY, WEIGHT_FILES
from speechbrain_xser.model_folder.release import release_folder
from speechbrain_xser.model_folder.weight_checksums import check_weight_files

WAYS = {
    "from_hparams": lambda folder: ExplainableEmotionRecognizer.from_hparams(folder, run_opts={"device": "cpu"}),
    "read_model_folder": read_model_folder,
    "start_from": lambda folder: load_weights(None, folder),
    "start_lora": lambda folder: load_lora(None, folder),
    "export": lambda folder: release_folder(folder, folder.parent / "out", merge=False),
}


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(packaged_model("tiny"), tmp_path / "model")


def zero_data(path):
    """Leaves the header and the size, as a disk does that lost blocks."""
    content = path.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    path.write_bytes(content[:header] + bytes(len(content) - header))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.slow
def test_zeroed_data_behind_a_whole_header_is_refused_however_the_folder_is_used(folder, way):
    zero_data(folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"model.safetensors: damaged \(SHA-256 .*; copy or download it again"):
        WAYS[way](folder)
    assert not (folder.parent / "out").exists()


@pytest.mark.parametrize("name", [name for name in WEIGHT_FILES if name not in (DOMAIN, RELIABILITY)])
def test_each_weight_file_has_its_checksum(folder, name):
    zero_data(folder / name)
    with pytest.raises(CheckpointError, match=name):
        check_weight_files(folder)


@pytest.mark.parametrize("name", ["tiny", "small"])
def test_the_packaged_models_have_the_checksums_of_all_their_weights(name):
    folder = packaged_model(name)
    check_weight_files(folder)


def test_a_weight_file_that_the_folder_does_not_list_is_refused_and_one_may_be_removed(folder):
    (folder / "mean_voice.safetensors").rename(folder / "domain.safetensors")
    with pytest.raises(CheckpointError, match="domain.safetensors: no checksum in metadata.json"):
        check_weight_files(folder)
    (folder / "domain.safetensors").unlink()
    check_weight_files(folder)


def test_a_folder_from_before_the_checksums_is_refused_with_both_formats(folder):
    content = json.loads((folder / METADATA).read_text())
    del content["files"]
    (folder / METADATA).write_text(json.dumps({**content, "format": 1}))
    with pytest.raises(CheckpointError, match="format 1, expected 2; use the release that wrote this folder"):
        check_weight_files(folder)


@pytest.mark.parametrize("files", [None, [], "model.safetensors", {"model.safetensors": None}])
def test_a_folder_with_odd_checksums_is_refused(folder, files):
    content = json.loads((folder / METADATA).read_text())
    (folder / METADATA).write_text(json.dumps({**content, "files": files}))
    with pytest.raises(CheckpointError, match="metadata|checksum|damaged"):
        check_weight_files(folder)
