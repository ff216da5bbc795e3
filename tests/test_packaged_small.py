"""The small model of the package: its size, and what it makes of real speech."""

import csv
import json
from pathlib import Path

import jiwer
import pytest
import torch
from click.testing import CliRunner
from Small.card_figures import with_figures

import speechbrain_xser
from speechbrain_xser import ExplainableEmotionRecognizer
from speechbrain_xser.cli.main import xser
from speechbrain_xser.data.audio import load_audio
from speechbrain_xser.errors import BackboneError
from speechbrain_xser.metrics.text_normalization import normalise
from speechbrain_xser.model_folder.locate import CARD, SETTINGS
from speechbrain_xser.model_folder.settings import flat, read_settings
from speechbrain_xser.training.recipe_yaml import load_recipe
from speechbrain_xser.training.run import NOT_LEARNED, lobes
from tests.genuine import DATA

RECIPES = Path(__file__).parents[1] / "recipes"

ODD = DATA / "odd_audio"
needs_odd = pytest.mark.skipif(not ODD.is_dir(), reason=f"No files in {ODD}: set XSER_DATA")
READERS = DATA / "librispeech"
ACTORS = DATA / "cremad" / "AudioWAV"
needs_speech = pytest.mark.skipif(not READERS.is_dir(), reason=f"No clips in {READERS}: set XSER_DATA")


@pytest.fixture(scope="module")
def model(small):
    return ExplainableEmotionRecognizer.from_hparams("small", run_opts={"device": "cpu"})


@pytest.fixture(scope="module")
def read():
    """One clip of each of ten readers: its path, words and gender."""
    with open(READERS / "manifest.csv", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["transcript"]][::10]


def test_it_is_smaller_than_24_megabytes():
    folder = Path(speechbrain_xser.packaged_model("small"))
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 24e6


@pytest.mark.parametrize("recipe", ["start", "train", "finetune"])
def test_its_recipes_build_a_model_of_its_shape(recipe):
    values = {"data_folder": "nowhere", "manifests": "nowhere", "prepare": "null"}
    path = RECIPES / "Small" / "hparams" / f"{recipe}.yaml"
    known = {key: value for key, value in values.items() if f"{key}:" in path.read_text(encoding="utf-8")}
    found = lobes(load_recipe(path, known)[0])
    shipped = read_settings(Path(speechbrain_xser.packaged_model("small"), SETTINGS))["model"]
    built, packaged = ({k: v for k, v in flat(model) if not k.endswith(NOT_LEARNED)} for model in (found, shipped))
    assert built == packaged


def test_its_card_has_the_tables_of_its_results():
    page = (RECIPES.parent / "docs" / "results" / "small.md").read_text(encoding="utf-8")
    card = Path(speechbrain_xser.packaged_model("small"), CARD).read_text(encoding="utf-8")
    assert with_figures(card, page) == card


def test_without_its_backbones_one_line_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("XSER_CACHE", str(tmp_path))
    with pytest.raises(BackboneError, match="`xser setup small`"):
        ExplainableEmotionRecognizer.from_hparams("packaged:xser-small")


@needs_speech
def test_it_writes_the_words_of_ten_readers_and_hears_who_reads(model, read):
    found = [model.explain_file(READERS / row["path"]) for row in read]
    written = [normalise(one.transcript or "") for one in found]
    assert jiwer.wer([normalise(row["transcript"]) for row in read], written) < 0.25
    assert all(one.emotion for one in found)
    heard = [(row["gender_heard"], one.descriptors.gender) for row, one in zip(read, found, strict=True)]
    assert sum(truth == said for truth, said in heard if truth) >= 0.8 * sum(bool(truth) for truth, _ in heard)


@pytest.mark.skipif(not ACTORS.is_dir(), reason=f"No clips in {ACTORS}: set XSER_DATA")
def test_a_long_passage_is_in_its_domain(model):
    """Six sad clips of an actor whom training did not have; heard as a whole, such passages are out of it."""
    clips = [load_audio(path) for path in sorted(ACTORS.glob("1009_*_SAD_*"))[:6]]
    [found] = model.explain_batch(torch.cat(clips)[None])
    assert sum(map(len, clips)) > 12 * 16000
    assert (found.domain, found.descriptors.gender) == ("in", "female")


@needs_odd
def test_german_is_out_of_its_domain_and_no_emotion_is_named(model):
    found = model.explain_file(ODD / "german.flac")
    assert (found.domain, found.emotion) == ("out", "unknown")


@needs_speech
def test_it_is_what_a_command_uses_without_a_model(small, read, monkeypatch):
    monkeypatch.delenv("XSER_MODEL")
    done = CliRunner().invoke(xser, ["explain", "--json", str(READERS / read[0]["path"])])
    row = json.loads(done.stdout)
    assert done.exit_code == 0 and row["transcript"] and "demonstration" not in done.output
