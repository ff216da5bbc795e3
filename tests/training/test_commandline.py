"""What a command line may say, and what a user sees where it is wrong."""

import re
from pathlib import Path

import pytest

from speechbrain_xser.errors import SettingsError
from speechbrain_xser.training.command import main
from speechbrain_xser.training.recipe_yaml import load_recipe
from speechbrain_xser.training.run import merged
from speechbrain_xser.training.training_settings import TrainingSettings
from speechbrain_xser.utils.commandline import one_line_errors

ROOT = Path(__file__).parents[2]


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "training.yaml").write_text("beta: 1\nseed: 1\nnum_workers: 2\n")
    path = tmp_path / "recipe.yaml"
    path.write_text("seed: 3\nfolder: !PLACEHOLDER\ntraining: !include:training.yaml\n    num_workers: 1\n")
    return path


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("sead: 2", "no key 'sead'; did you mean 'seed'"),
        ("training: {bata: 2}", "training has no key 'bata'; did you mean 'beta'"),
        ("num_worker: 2", "no key 'num_worker'; did you mean 'num_workers'"),
        ("training: {seed: 2}", "has 'seed' itself.*use --seed"),
        ("seed: 2", "'folder' is a !PLACEHOLDER"),
        ("seed: [", "cannot be loaded"),
    ],
)
def test_a_wrong_key_is_refused_at_any_depth_with_the_right_one(recipe, overrides, message):
    with pytest.raises(SettingsError, match=message):
        load_recipe(recipe, overrides)


def test_a_key_of_an_included_file_is_an_option_like_the_recipe_s_own(recipe):
    hparams, given = load_recipe(recipe, "folder: a\nbeta: 7\nnum_workers: 4\ntraining: {beta: 8}")
    assert hparams["training"] == {"beta": 8, "seed": 1, "num_workers": 4}
    assert given == {"folder": "a", "training": {"beta": 8, "num_workers": 4}}


def test_the_prompt_s_system_text_is_an_option_beside_the_recipe_s_system():
    """A recipe's ``system`` names a row of the paper's tables; a chat template may refuse a system text."""
    given = {"data_folder": "nowhere", "architecture": '{system: "", prompt_style: chat}'}
    hparams, _ = load_recipe(ROOT / "recipes" / "SpeechCraft" / "hparams" / "train.yaml", given)
    template = hparams["architecture"]["llm"].keywords["template"]
    assert (template.system, template.style, hparams["system"]) == ("", "chat", "fd_ser_sed_asr")


def test_a_wrong_key_of_the_recipe_itself_is_refused(recipe):
    recipe.write_text("training: !include:training.yaml\n    bata: 2\n")
    with pytest.raises(SettingsError, match="training has no key 'bata'"):
        load_recipe(recipe)


def test_the_last_of_equal_keys_counts_and_included_ones_are_reached(recipe):
    hparams, _ = load_recipe(recipe, "folder: a\nseed: 4\ntraining: {beta: 7}\nseed: 5")
    assert (hparams["seed"], hparams["training"]["beta"], hparams["training"]["num_workers"]) == (5, 7, 1)


def test_a_stage_s_rate_is_given_as_the_page_on_training_gives_it():
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    (text,) = re.findall(r'`--stage_rates="(.*?)"`', page)
    path = ROOT / "recipes" / "SpeechCraft" / "hparams" / "train.yaml"
    hparams, _ = load_recipe(path, {"data_folder": "none", "stages": "[asr, ser, joint]", "stage_rates": text})
    joint = TrainingSettings.from_hparams(merged(hparams)).rates()["joint"]
    assert (joint.peak, joint.shape) == (2e-5, "cosine")


@pytest.mark.parametrize("corpus", ["SpeechCraft", "CREMA-D", "Tiny"])
def test_our_own_recipes_use_keys_that_there_are(corpus, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "recipes"))
    path = ROOT / "recipes" / corpus / "hparams" / "train.yaml"
    assert merged(load_recipe(path, "data_folder: none")[0])["batch_size"] > 0


def test_a_file_that_is_not_there_is_one_line_and_ends_with_2(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught, one_line_errors():
        load_recipe(tmp_path / "gone.yaml")
    [line] = capsys.readouterr().err.splitlines()
    assert caught.value.code == 2 and line.startswith("error: ") and "gone.yaml" in line and "No such file" in line


def test_ctrl_c_is_one_line_and_the_shell_s_exit_code(capsys):
    with pytest.raises(SystemExit) as caught, one_line_errors():
        raise KeyboardInterrupt
    assert caught.value.code == 130
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("value", ["two", 1.5, 0, None])
def test_a_number_that_is_none_is_refused_by_its_key(value):
    with pytest.raises(SettingsError, match="batch_size is"):
        TrainingSettings.from_hparams({"batch_size": value})


def test_a_yaml_that_is_no_recipe_is_named_with_what_it_lacks(tmp_path, capsys):
    (tmp_path / "other.yaml").write_text("seed: 1\n")
    with pytest.raises(SystemExit) as caught:
        main([str(tmp_path / "other.yaml")])
    assert caught.value.code == 2 and "other.yaml: has no output_folder, train_manifest" in capsys.readouterr().err
