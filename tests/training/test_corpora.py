"""What a trained folder says of the corpora that it learnt from."""

import functools
import importlib.util
import sys
from pathlib import Path

import pytest

from speechbrain_xser.cli.recipe_folder import recipe_yamls
from speechbrain_xser.model_folder.locate import METADATA
from speechbrain_xser.model_folder.metadata import Metadata, write_metadata
from speechbrain_xser.training.corpora import corpora, licence_beside
from speechbrain_xser.training.recipe_yaml import load_recipe

ROOT = Path(__file__).parents[2]


def prepare_at(path: Path, module: str):
    """A preparation that lies in a file, imported under a name."""
    path.parent.mkdir(parents=True)
    path.write_text("LICENCE = 'CC0 1.0'\n\n\ndef prepare(data_folder, corpus=None):\n    pass\n")
    spec = importlib.util.spec_from_file_location(module, path)
    sys.modules[module] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[module])
    return sys.modules.pop(module).prepare


@pytest.mark.parametrize("module", ["prepare", "lab.corpora.swedish.prepare", "recipes.swedish.prepare"])
def test_a_recipe_that_lives_elsewhere_is_called_by_its_folder_whatever_its_module_is_called(tmp_path, module):
    prepare = prepare_at(tmp_path / "lab" / "Swedish" / "prepare.py", module)
    assert corpora({"prepare": prepare}) == {"corpus": "Swedish", "corpora": {"Swedish": "CC0 1.0"}}
    assert corpora({"prepare": functools.partial(prepare, "data")})["corpus"] == "Swedish"


def test_a_name_in_the_recipe_goes_before_an_argument_of_the_preparation_and_that_before_the_folder(tmp_path):
    prepare = functools.partial(prepare_at(tmp_path / "Generic" / "prepare.py", "Generic.prepare"), corpus="mine")
    assert corpora({"prepare": prepare})["corpus"] == "mine"
    assert corpora({"prepare": prepare, "corpus": "Ours"})["corpus"] == "Ours"


def test_a_run_on_manifests_that_are_there_already_knows_its_corpus_and_those_that_it_began_with(tmp_path):
    write_metadata(tmp_path / METADATA, Metadata("1", {}, {"corpora": {"Tiny": "ours", "CREMA-D": "ODbL"}}))
    found = corpora({"prepare": None, "corpus": "MELD", "licence": "GPL-3.0", "start_from": str(tmp_path)})
    assert found == {"corpus": "MELD", "corpora": {"Tiny": "ours", "CREMA-D": "ODbL", "MELD": "GPL-3.0"}}


@pytest.mark.parametrize("name", recipe_yamls(ROOT / "recipes"))
def test_our_recipes_name_their_corpus_and_state_its_licence(name, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "recipes"))
    path = ROOT / "recipes" / name / "hparams" / "train.yaml"
    hparams, _ = load_recipe(path, {"data_folder": "none", "prepare": "null", "start_from": "null"})
    found = corpora(licence_beside(path) | hparams)
    assert found["corpus"] == name and found["corpora"][name]
