"""The small model that comes with the package, on real speech; all but the first tests need its backbones."""

import csv
import shutil
from pathlib import Path

import jiwer
import pytest
from click.testing import CliRunner
from safetensors.torch import load_file

import speechbrain_xser
from speechbrain_xser.cli.main import xser
from speechbrain_xser.errors import BackboneError
from speechbrain_xser.inference import ExplainableEmotionRecognizer
from speechbrain_xser.metrics.text import normalise
from speechbrain_xser.utils.sources import resolve_source
from tests.genuine import DATA

FOLDER = Path(speechbrain_xser.packaged_model("small"))
needs_speech = pytest.mark.skipif(not (DATA / "librispeech").is_dir(), reason=f"No clips in {DATA}: set XSER_DATA")


def clips(corpus, every):
    with open(DATA / corpus / "manifest.csv", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["transcript"]][::every]


def test_it_is_small_enough_to_ship():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < 24e6


def test_its_weights_are_of_half_size_and_its_spread_is_not():
    types = {name: str(one.dtype) for name, one in load_file(FOLDER / "model.safetensors").items()}
    assert types["standardization.spread"] == "torch.float32"
    assert types["branches.descriptor.adapter.output.weight"] == "torch.bfloat16"
    assert not any("content" in name for name in types)


def test_without_its_backbones_it_names_the_command_that_brings_them(monkeypatch, tmp_path):
    monkeypatch.setenv("XSER_CACHE", str(tmp_path))
    with pytest.raises(BackboneError, match="xser setup small"):
        ExplainableEmotionRecognizer.from_hparams("packaged:xser-small")


def test_other_copies_of_its_backbones_are_refused(monkeypatch, tmp_path, small):
    folders = [resolve_source(source) for source in small]
    for folder in folders:
        shutil.copytree(folder, tmp_path / Path(folder).name)
    weights = tmp_path / Path(folders[0]).name / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    monkeypatch.setenv("XSER_CACHE", str(tmp_path))
    with pytest.raises(BackboneError, match="whisper-tiny.en"):
        ExplainableEmotionRecognizer.from_hparams("small")


@pytest.fixture(scope="module")
def recognizer(small):
    return ExplainableEmotionRecognizer.from_hparams("small", run_opts={"device": "cpu"})


@needs_speech
def test_it_writes_what_readers_said(recognizer):
    rows = clips("librispeech", 10)
    found = [recognizer.explain_file(DATA / "librispeech" / row["path"]) for row in rows]
    wanted = [normalise(row["transcript"]) for row in rows]
    assert jiwer.wer(wanted, [normalise(one.transcript or "") for one in found]) < 0.25
    assert all(one.emotion and one.descriptors.gender for one in found)


@needs_speech
def test_a_command_without_a_model_uses_it_where_it_is_set_up(small, monkeypatch):
    monkeypatch.delenv("XSER_DEFAULT_MODEL")
    clip = str(DATA / "librispeech" / clips("librispeech", 10)[0]["path"])
    done = CliRunner().invoke(xser, ["explain", clip, "--json"])
    assert done.exit_code == 0 and "using the small model" in done.stderr
