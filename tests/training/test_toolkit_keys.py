"""Who knows the keys of SpeechBrain's recipes is told what they are called here."""

import re
from itertools import chain
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from speechbrain_xser.errors import SettingsError
from speechbrain_xser.training.arguments import FLAGS, RUN_OPTIONS
from speechbrain_xser.training.recipe_yaml import load_recipe
from speechbrain_xser.training.toolkit_keys import BY_KEY, COUNTERPARTS, toolkit_hint

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "recipes" / "CREMA-D" / "hparams" / "train.yaml"


@pytest.fixture(scope="module")
def ours() -> set[str]:
    """All keys that a recipe can be given."""
    files = [RECIPE, ROOT / "hparams" / "training.yaml", ROOT / "hparams" / "model.yaml"]
    return set(chain(*(YAML().load(path.read_text(encoding="utf-8")) for path in files)))


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("number_of_epochs", "no key 'number_of_epochs'; here it is 'epochs_per_stage' "),
        ("lr", "here it is 'stage1_learning_rate', 'stage2_learning_rate' "),
        ("gradient_accumulation", "here it is 'grad_accumulation_factor' "),
        ("sample_rate", "here it needs none .every clip is resampled to 16 kHz"),
    ],
)
def test_a_key_of_speechbrain_s_recipes_is_refused_with_its_name_here(key, message):
    with pytest.raises(SettingsError, match=message):
        load_recipe(RECIPE, {"data_folder": "none", key: "1"})


def test_a_name_that_is_only_mistyped_gets_the_nearest_one_as_before():
    with pytest.raises(SettingsError, match="did you mean 'batch_size'"):
        load_recipe(RECIPE, {"batch_sise": "1"})


def test_each_counterpart_is_a_key_and_none_of_theirs_is(ours):
    assert not set(BY_KEY) & (ours | set(RUN_OPTIONS) | FLAGS)
    assert set(chain(*(row.ours for row in COUNTERPARTS))) <= ours
    assert all(toolkit_hint(key, ours) for key in BY_KEY)
    assert len(COUNTERPARTS) >= 20 and [row.recipes for row in COUNTERPARTS] == sorted(
        (row.recipes for row in COUNTERPARTS), reverse=True
    )


def test_the_page_on_training_has_a_row_for_each():
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    table = page.partition("| there | here |")[2].partition("\n\n")[0]
    shown = re.findall(r"^\| `(\w+)`(?:, `\w+`)* \| (.*) \|$", table, re.MULTILINE)
    told = {key: set(re.findall(r"`(\w+)`", text)) for key, text in shown}
    assert told == {row.theirs[0]: set(row.ours) for row in COUNTERPARTS}
