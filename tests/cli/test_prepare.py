"""``xser prepare``: a corpus's own preparation, found by name, in this process."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from speechbrain_xser.cli.main import xser
from speechbrain_xser.data.manifest import read_manifest
from tests.genuine import DATA

CREMAD = DATA / "cremad"
RECIPES = Path(__file__).parents[2] / "recipes"


def run(*words):
    return CliRunner().invoke(xser, ["prepare", *map(str, words)])


@pytest.fixture
def clips(tmp_path):
    (tmp_path / "clips").mkdir()
    for name in ("a", "b"):
        soundfile.write(tmp_path / "clips" / f"{name}.wav", np.full(8000, 0.1), 16000)
    return tmp_path / "clips"


def test_each_corpus_is_listed_with_a_description():
    listed = run("--help").output.partition("Corpora:")[2]
    names = [line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line[2] != " "]
    there = {path.parent.name for path in RECIPES.glob("*/prepare.py")}
    assert names == sorted(there - {"Tiny"}, key=str.lower)  # Tiny's corpus is spoken by its training
    assert "six folds, speaker-independent." in " ".join(listed.split())


@pytest.mark.parametrize("corpus", ["CREMA-D", "EmotionCoT", "Generic", "MELD", "SpeechCraft"])
def test_a_corpus_s_help_names_its_options_and_an_example_of_its_own(corpus):
    done = run(corpus, "--help")
    assert done.exit_code == 0 and "--save-folder" in done.output
    assert f"xser prepare {corpus} --data-folder" in done.output


def test_clips_become_manifests_and_a_table_counts_them(clips, tmp_path):
    done = run("generic", "--data-folder", clips, "--save-folder", tmp_path / "out")
    assert done.exit_code == 0 and "manifests in" in done.output
    found = [row.id for path in (tmp_path / "out").glob("*.jsonl") for row in read_manifest(path)]
    assert sorted(found) == ["clips-a", "clips-b"]


def test_options_may_be_written_as_the_scripts_write_them(clips, tmp_path):
    done = run("Generic", f"--data_folder={clips}", f"--save_folder={tmp_path / 'out'}", "--json")
    told = json.loads(done.stdout)
    assert sum(len(read_manifest(path)) for path in told["paths"].values()) == 2 and "dropped" in told


def test_a_user_s_recipes_are_found_in_the_given_folder(tmp_path):
    recipe = tmp_path / "mine" / "OURS" / "prepare.py"
    recipe.parent.mkdir(parents=True)
    recipe.write_text(
        '"""Prepares ours."""\nfrom pathlib import Path\n'
        "def prepare(data_folder: str, save_folder: str):\n"
        "    Path(save_folder, 'summary.json').write_text('{\"manifests\": {}, \"dropped\": {}}')\n"
        "    return {'train': 'a.jsonl'}\n"
        "if __name__ == '__main__':\n    prepare_command(prepare)\n"
    )
    done = run("--recipes", tmp_path / "mine", "ours", "--data-folder", tmp_path, "--save-folder", tmp_path)
    assert done.exit_code == 0 and "1 manifests in" in done.output
    assert "Prepares ours." in run("--recipes", tmp_path / "mine", "--help").output


def test_an_installed_package_says_where_to_get_the_recipes(monkeypatch, tmp_path):
    monkeypatch.setattr("speechbrain_xser.cli.recipe_folder.IN_CHECKOUT", tmp_path / "recipes")
    for words in (["prepare", "CREMA-D"], ["train", "CREMA-D"], ["prepare", "--help"]):
        done = CliRunner().invoke(xser, words)
        assert done.exit_code == 2 and 'pass its folder "recipes" as --recipes' in done.output


@pytest.mark.skipif(not CREMAD.is_dir(), reason="real clips are not here: set XSER_DATA to the folder with cremad/")
@pytest.mark.slow
def test_real_crema_d_is_prepared_speaker_independent(tmp_path):
    done = run("CREMA-D", "--data-folder", CREMAD, "--save-folder", tmp_path / "out", "--json")
    paths = json.loads(done.stdout)["paths"]
    speakers = [{row.speaker for row in read_manifest(paths[split])} for split in ("train", "valid", "test")]
    assert all(speakers) and not set.intersection(*speakers)
