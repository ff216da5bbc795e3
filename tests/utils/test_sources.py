"""Sources of backbones, and their fingerprints."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from speechbrain_xser.errors import BackboneError
from speechbrain_xser.testing import tiny_encoder_folder
from speechbrain_xser.utils.sources import PACKAGED, fingerprint, loading, resolve_source


def test_a_local_folder_is_itself(tmp_path):
    assert resolve_source(tmp_path) == str(tmp_path)


@pytest.mark.parametrize("source", ["facebook/hubert-large-ls960-ft", "gpt2", "meta-llama/Llama-3.1-8B-Instruct"])
def test_a_hub_id_is_left_as_it_is(source):
    assert resolve_source(source) == source


def test_a_packaged_name_is_a_folder_of_the_package(monkeypatch, tmp_path):
    monkeypatch.setattr("speechbrain_xser.utils.sources.PACKAGED", tmp_path)
    (tmp_path / "tiny").mkdir()
    assert resolve_source("packaged:tiny") == str(tmp_path / "tiny")
    assert PACKAGED.parent.name == "speechbrain_xser"


@pytest.mark.parametrize("name", ["no-such-model", "../lobes", "", "a/b"])
def test_an_unknown_packaged_name_is_refused_with_the_names_there_are(name, monkeypatch, tmp_path):
    monkeypatch.setattr("speechbrain_xser.utils.sources.PACKAGED", tmp_path)
    monkeypatch.setattr("speechbrain_xser.utils.sources.IN_CHECKOUT", tmp_path / "none")
    (tmp_path / "tiny").mkdir()
    with pytest.raises(BackboneError, match="available: tiny"):
        resolve_source(f"packaged:{name}")


@pytest.mark.parametrize("source", ["/no/such/folder", "./model", "a/b/c", "a/../b", "owner/na..me", "", "owner name"])
def test_a_source_that_is_neither_a_folder_nor_a_hub_id_is_refused(source):
    with pytest.raises(BackboneError, match="give an existing folder, a hub id, packaged:NAME or setup:NAME"):
        resolve_source(source)


def test_a_source_that_cannot_be_fetched_is_an_error_with_the_remedy():
    message = "'owner/name' \\(revision v1\\): We couldn't connect.*hf download owner/name --revision v1"
    with pytest.raises(BackboneError, match=message), loading("owner/name", "v1"):
        raise OSError("We couldn't connect\nto the hub")


def test_the_fingerprint_of_a_folder_is_that_of_its_copy_under_another_name(tmp_path):
    folder = tiny_encoder_folder(tmp_path / "one")
    assert fingerprint(folder) == fingerprint(shutil.copytree(folder, tmp_path / "other"))


def test_the_fingerprint_of_a_folder_changes_with_one_weight(tmp_path):
    folder = tiny_encoder_folder(tmp_path)
    before = fingerprint(folder)
    weights = load_file(tmp_path / "model.safetensors")
    weights["encoder.layer_norm.bias"][0] += 1e-3
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    assert fingerprint(folder) != before


def test_the_fingerprint_of_a_state_dict_tells_types_shapes_and_names_apart():
    zeros = torch.zeros(4)
    states = [{"a": zeros}, {"b": zeros}, {"a": zeros.view(2, 2)}, {"a": zeros.int()}, {"a": zeros.bfloat16()}]
    assert len({fingerprint(state) for state in states}) == 5


def test_a_folder_without_weights_has_no_fingerprint(tmp_path):
    with pytest.raises(BackboneError, match="contains no weights"):
        fingerprint(tmp_path)
